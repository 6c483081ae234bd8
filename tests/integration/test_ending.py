"""Signals that end the server: sent again at once they are one, sent again later they mean haste."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

SLOW = """
import asyncio
from contextlib import asynccontextmanager
from fastrapi import FastrAPI


@asynccontextmanager
async def lifespan(app):
    yield
    print("the lifespan has ended", flush=True)


app = FastrAPI(lifespan=lifespan)


@app.get("/slow")
async def slow() -> str:
    print("the request has begun", flush=True)
    await asyncio.sleep(1.2)
    return "whole"
"""


class Request(threading.Thread):
    """One that is under way while the server is told to end."""

    def __init__(self, server: Any) -> None:
        super().__init__()
        self.server = server
        self.status: int | None = None
        self.start()
        server.wait_log("the request has begun")

    def run(self) -> None:
        try:
            self.status, _, self.body = self.server.get("/slow")
        except OSError:
            self.status = 0


def check_drained(server: Any, request: Request) -> None:
    assert server.wait_exit() == 0
    request.join()
    assert request.status == 200, server.log
    assert request.body == b'"whole"'
    assert "the lifespan has ended" in server.log
    assert "at once" not in server.log


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM), (signal.SIGINT,) * 3])
def test_signals_of_one_instant_are_one(daemon: Callable[..., Any], signals: tuple[int, ...]) -> None:
    server = daemon(SLOW)
    request = Request(server)
    for signo in signals:
        os.kill(server.pid, signo)
        time.sleep(0.05)
    check_drained(server, request)


def test_a_signal_to_all_processes_is_one(daemon: Callable[..., Any]) -> None:
    server = daemon(SLOW, {"workers": 2})
    request = Request(server)
    for pid in [server.pid, *server.workers()]:
        os.kill(pid, signal.SIGTERM)
    check_drained(server, request)


def test_a_later_signal_ends_at_once(daemon: Callable[..., Any]) -> None:
    server = daemon(SLOW)
    request = Request(server)
    os.kill(server.pid, signal.SIGTERM)
    time.sleep(0.6)
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait_exit() == 0
    request.join()
    assert request.status == 0
    assert "the lifespan has ended" not in server.log
    assert "stopping at once" in server.log


def test_sigquit_need_not_wait(daemon: Callable[..., Any]) -> None:
    server = daemon(SLOW)
    request = Request(server)
    os.kill(server.pid, signal.SIGTERM)
    os.kill(server.pid, signal.SIGQUIT)
    assert server.wait_exit() == 0
    request.join()
    assert request.status == 0


def test_a_signal_during_the_interpreters_end_is_late(daemon: Callable[..., Any]) -> None:
    server = daemon(
        """
import atexit, os, time
from fastrapi import FastrAPI

app = FastrAPI()


@atexit.register
def at_exit():
    print(os.getpid(), "begins to end", flush=True)
    time.sleep(1)
    print(os.getpid(), "has ended", flush=True)
""",
        {"workers": 1},
    )
    (worker,) = server.workers()
    server.process.terminate()
    server.wait_log(f"{worker} begins to end")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(worker, number)
    assert server.wait_exit() == 0
    assert f"{worker} has ended" in server.log
    assert "was ended by" not in server.log
