"""Signals that end the server: sent again at once they are one, sent again later they mean haste."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
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
async def slow(seconds: float) -> str:
    print("the request has begun", flush=True)
    await asyncio.sleep(seconds)
    return "whole"
"""


class Request(threading.Thread):
    """One that is under way while the server is told to end."""

    def __init__(self, server: Any, seconds: float) -> None:
        super().__init__()
        self.server = server
        self.seconds = seconds
        self.status: int | None = None
        self.start()
        server.wait_log("the request has begun")

    def run(self) -> None:
        try:
            self.status, _, self.body = self.server.get(f"/slow?seconds={self.seconds}", 120)
        except OSError:
            self.status = 0


def check_drained(server: Any, request: Request) -> None:
    assert server.wait_exit() == 0
    request.join()
    assert request.status == 200, server.log
    assert request.body == b'"whole"'
    assert "the lifespan has ended" in server.log
    assert "at once" not in server.log


INSTANT = 0.4  # seconds: less than the time within which signals are one


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM), (signal.SIGINT,) * 3])
def test_signals_of_one_instant_are_one(daemon: Callable[..., Any], signals: tuple[int, ...]) -> None:
    took = 1.0
    for _ in range(10):
        server = daemon(SLOW)
        request = Request(server, 1.2)
        took = -time.monotonic()
        for signo in signals:
            time.sleep(0.05)
            os.kill(server.pid, signo)
        took += time.monotonic()
        assert server.wait_exit() == 0
        if took < INSTANT:  # or else we were held up, and sent them one after the other
            break
    assert took < INSTANT
    check_drained(server, request)


def test_a_signal_to_all_processes_is_one(daemon: Callable[..., Any]) -> None:
    server = daemon(SLOW, {"workers": 2})
    request = Request(server, 1.2)
    with contextlib.ExitStack() as stack:
        processes = [os.pidfd_open(pid) for pid in [server.pid, *server.workers()]]
        for process in processes:
            stack.callback(os.close, process)
        for process in processes:
            with contextlib.suppress(ProcessLookupError):  # a worker without a request ends soon
                signal.pidfd_send_signal(process, signal.SIGTERM)
    check_drained(server, request)


def test_a_master_that_was_held_up_counts_them_as_one(daemon: Callable[..., Any]) -> None:
    took = 1.0
    for _ in range(10):
        server = daemon(SLOW)
        request = Request(server, 2.5)
        took = -time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        server.wait_log("Terminated: stopping\n")
        os.kill(server.pid, signal.SIGSTOP)
        os.kill(server.pid, signal.SIGTERM)
        took += time.monotonic()
        time.sleep(1)
        os.kill(server.pid, signal.SIGCONT)
        assert server.wait_exit() == 0
        if took < INSTANT:  # as above
            break
    assert took < INSTANT
    check_drained(server, request)


def test_a_signal_to_all_processes_is_one_when_the_master_is_late(daemon: Callable[..., Any]) -> None:
    server = daemon(SLOW)
    request = Request(server, 2.5)
    (worker,) = server.workers()
    os.kill(server.pid, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGTERM)
    os.kill(worker, signal.SIGTERM)
    time.sleep(1)
    os.kill(server.pid, signal.SIGCONT)
    check_drained(server, request)


def check_cut_short(server: Any, request: Request) -> None:
    assert server.wait_exit() == 0
    request.join()
    assert request.status == 0
    assert "the lifespan has ended" not in server.log
    assert "stopping at once" in server.log


def test_a_later_signal_ends_at_once(daemon: Callable[..., Any]) -> None:
    server = daemon(SLOW, {"timeouts": {"drain": 600}})
    request = Request(server, 600)
    os.kill(server.pid, signal.SIGTERM)
    server.wait_log("Terminated: stopping\n")
    time.sleep(1.5)
    os.kill(server.pid, signal.SIGTERM)
    check_cut_short(server, request)


def test_sigquit_need_not_wait(daemon: Callable[..., Any]) -> None:
    server = daemon(SLOW, {"timeouts": {"drain": 600}})
    request = Request(server, 600)
    os.kill(server.pid, signal.SIGTERM)
    os.kill(server.pid, signal.SIGQUIT)
    check_cut_short(server, request)


def test_a_signal_during_the_interpreters_end_is_late(daemon: Callable[..., Any], tmp_path: Path) -> None:
    server = daemon(
        """
import atexit, os, signal, time
from fastrapi import FastrAPI

app = FastrAPI()


def at_exit():
    signal.alarm(0)  # the test says how long it takes
    print(os.getpid(), "begins to end", flush=True)
    while not os.path.exists("SENT"):
        time.sleep(0.01)
    print(os.getpid(), "has ended", flush=True)


if os.environ["FASTRAPID_ROLE"] == "worker":
    atexit.register(at_exit)
""".replace("SENT", str(tmp_path / "sent")),
        {"workers": 1},
    )
    (worker,) = server.workers()
    server.process.terminate()
    server.wait_log(f"{worker} begins to end")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(worker, number)
    (tmp_path / "sent").touch()
    assert server.wait_exit() == 0
    assert f"{worker} has ended" in server.log
    assert "was ended by" not in server.log
