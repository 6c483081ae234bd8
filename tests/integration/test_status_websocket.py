"""WebSockets in the status: their routes, what is counted, and what a worker's death takes along."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from harness import HELLO, wait
from test_status import NEAR, Status
from websocket_client import Raw, client, closed, raw
from websockets.exceptions import InvalidStatus

SOURCE = (
    HELLO
    + """
import asyncio
import os

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from fastrapi import APIRouter, HTTPException, WebSocket


@app.get("/pid")
async def pid():
    return os.getpid()


@app.get("/rooms/{room}")
async def look(room: str):
    return room


@app.websocket("/rooms/{room}")
async def enter(ws: WebSocket, room: int, seconds: float = 0):
    if room == 403:
        await ws.close()
        return
    if room == 404:
        raise HTTPException(404)
    if room == 500:
        raise ValueError("no such room")
    await asyncio.sleep(seconds)
    await ws.accept()
    async for text in ws.iter_text():
        if text == "fail":
            raise KeyError(text)
        await ws.send_text(text)


@app.websocket("/large")
async def large(ws: WebSocket):
    await ws.accept()
    await ws.send_bytes(b"x" * (32 << 20))


router = APIRouter(prefix="/inner")


@router.websocket("/echo")
async def echo(ws: WebSocket):
    await ws.accept()
    await ws.close()


app.include_router(router, prefix="/outer")
app.mount("/mounted", Starlette(routes=[WebSocketRoute("/a", echo), WebSocketRoute("/b", echo)]))
app.router.routes.append(WebSocketRoute("/plain", echo))
"""
)
NONE = {"1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, "none": 0}


class Sockets(Status):
    def socket(self, path: str) -> Any:
        """What is told of the WebSocket route."""
        found = [r for r in self()["routes"] if (r["methods"], r["path"]) == ("WEBSOCKET", path)]
        assert len(found) == 1, found
        return found[0]

    def refused(self, path: str) -> int:
        with pytest.raises(InvalidStatus) as info:
            client(self.daemon, path)
        return info.value.response.status_code


@pytest.fixture
def start(daemon: Callable[..., Any]) -> Callable[..., Sockets]:
    return lambda **options: Sockets(daemon, SOURCE, **options)


Start = Callable[..., Sockets]


def test_handshakes_are_counted(start: Start) -> None:
    status = start(errors=True)
    route = status.socket("/rooms/{room}")
    assert (route["requests"], route["status"], route["latency"], route["in_flight"]) == (0, NONE, None, 0)
    assert (route["endpoint"], route["placement"]) == ("main.enter", "asgi")
    for number in range(3):
        with client(status.daemon, f"/rooms/{number}") as ws:
            ws.send("here")
            assert ws.recv(timeout=10) == "here"
            # Once it is accepted it is counted, and it stays in flight.
            assert status.socket("/rooms/{room}")["requests"] == number + 1
            wait(lambda: status.socket("/rooms/{room}")["in_flight"] == 1, "it is in flight, the one before is not")
    assert status.refused("/rooms/403") == 403
    assert status.refused("/rooms/none") == 403
    assert status.refused("/rooms/404") == 404
    assert status.refused("/rooms/500") == 500
    seen = status.wait(lambda seen: seen["in_flight"] == 0)
    route = status.socket("/rooms/{room}")
    assert route["status"] == {**NONE, "1xx": 3, "4xx": 3, "5xx": 1}
    assert (route["requests"], route["errors"], route["in_flight"]) == (7, 1, 0)
    assert seen["requests"] == 7
    assert seen["status"]["1xx"] == 3
    # HTTP at the same path is another route.
    status.daemon.get("/rooms/1")
    assert next(r for r in status()["routes"] if (r["methods"], r["path"]) == ("GET", "/rooms/{room}"))["requests"] == 1
    assert status.socket("/rooms/{room}")["requests"] == 7
    assert not [r for r in status()["routes"] if r["path"] is None]


def test_the_latency_is_the_handshakes(start: Start) -> None:
    status = start()
    began = time.monotonic()
    with client(status.daemon, "/rooms/1?seconds=0.3"):
        took = time.monotonic() - began
        time.sleep(took)
    latency = status.socket("/rooms/{room}")["latency"]
    assert 280 < latency["p50_ms"] < took * NEAR
    assert 300 <= latency["mean_ms"] < took * NEAR


def test_each_kind_of_route(start: Start) -> None:
    status = start(errors=True)
    for path in ("/outer/inner/echo", "/plain", "/mounted/a", "/mounted/b"):
        with client(status.daemon, path) as ws:
            assert closed(ws) == (1000, "")
    assert status.refused("/nowhere") == 403
    assert status.refused("/pid") == 403
    counts = {(r["methods"], r["path"]): r["requests"] for r in status()["routes"] if r["requests"]}
    assert counts == {
        ("WEBSOCKET", "/outer/inner/echo"): 1,
        ("WEBSOCKET", "/plain"): 1,
        ("ANY", "/mounted"): 2,  # as HTTP, too, counts for the mount
        (None, None): 2,
    }


def test_below_a_root_path_and_middleware(daemon: Callable[..., Any]) -> None:
    source = SOURCE.replace("import os\n", "import os\nfrom starlette.middleware.gzip import GZipMiddleware\n", 1)
    source += "app.root_path = '/api'\napp.add_middleware(GZipMiddleware)\n"
    status = Sockets(daemon, source)
    for path in ("/api/rooms/1", "/rooms/2", "/api/mounted/a"):
        with client(status.daemon, path):
            pass
    assert status.socket("/rooms/{room}")["requests"] == 2
    assert next(r for r in status()["routes"] if r["path"] == "/mounted")["requests"] == 1


def test_errors_are_grouped(start: Start) -> None:
    status = start(errors=True)
    for _ in range(2):
        assert status.refused("/rooms/500") == 500
    with client(status.daemon, "/rooms/1") as ws:
        ws.send("fail")
        assert closed(ws) == (1011, "")
    seen = status.wait(lambda seen: seen["errors"] == sum(error["count"] for error in seen["last_errors"]) == 3)
    groups = {error["type"]: error for error in seen["last_errors"]}
    assert {name: group["count"] for name, group in groups.items()} == {"ValueError": 2, "KeyError": 1}
    assert groups["KeyError"]["route"] == "WEBSOCKET /rooms/{room}"
    assert groups["KeyError"]["place"].endswith(" in enter")
    assert groups["ValueError"]["traceback"].endswith("ValueError: no such room\n")
    assert status.socket("/rooms/{room}")["errors"] == 3


def test_a_client_that_leaves_is_no_error(start: Start) -> None:
    status = start()
    ws = Raw(status.daemon, "/rooms/1")
    ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ws.socket.close()
    seen = status.wait(lambda seen: seen["in_flight"] == 0)
    assert (seen["requests"], seen["errors"], seen["status"]) == (1, 0, {**NONE, "1xx": 1})


def test_a_worker_that_dies_takes_them_along(start: Start) -> None:
    status = start(workers=1, errors=True)
    pid = status.daemon.json("/pid")
    with raw(status.daemon, "/rooms/1"), raw(status.daemon, "/rooms/2"):
        seen = status.wait(lambda seen: len(seen["workers"][0]["requests_in_flight"]) == 2)
        flights = seen["workers"][0]["requests_in_flight"]
        assert {(f["method"], f["route"]) for f in flights} == {("WEBSOCKET", "/rooms/{room}")}
        os.kill(pid, signal.SIGKILL)
        status.daemon.wait_log(") is ready")
    for flight in flights:
        line = f"worker 0 (pid {pid}) took a request with it: WEBSOCKET /rooms/{{room}}, request {flight['request']}, "
        assert line in status.daemon.log
    seen = status()
    assert seen["restarts"]["requests_lost"] == 2
    assert status.socket("/rooms/{room}")["status"] == {**NONE, "1xx": 2}
    assert status.socket("/rooms/{room}")["in_flight"] == 0


def test_a_handshake_that_is_not_answered(start: Start) -> None:
    status = start(workers=1, errors=True)
    pid = status.daemon.json("/pid")
    with status.daemon.connect() as connection:
        connection.sendall(
            b"GET /rooms/1?seconds=600 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        wait(lambda: status.socket("/rooms/{room}")["in_flight"] == 1, "it is in flight")
        assert status.socket("/rooms/{room}")["requests"] == 0
        os.kill(pid, signal.SIGKILL)
        status.daemon.wait_log(f"worker 0 (pid {pid}) took a request with it: WEBSOCKET /rooms/{{room}}, ")


def test_it_is_in_flight_until_all_is_out(start: Start) -> None:
    """Though its handler has ended: the kernel has not taken what it sent."""
    status = start(workers=1, errors=True)
    pid = status.daemon.json("/pid")
    with raw(status.daemon, "/large") as ws:
        ws.take(1)
        time.sleep(0.5)
        seen = status.wait(lambda seen: seen["in_flight"] == 1)  # GET /pid is over
        assert [(f["method"], f["route"]) for f in seen["workers"][0]["requests_in_flight"]] == [("WEBSOCKET", "/large")]
        os.kill(pid, signal.SIGKILL)
        status.daemon.wait_log(f"worker 0 (pid {pid}) took a request with it: WEBSOCKET /large, ")
    assert status.wait(lambda seen: seen["workers"][0]["pid"])["restarts"]["requests_lost"] == 1


def test_it_is_in_flight_no_longer_once_all_is_out(start: Start) -> None:
    status = start(workers=1)
    with raw(status.daemon, "/large") as ws:
        assert len(ws.recv()[1]) == 32 << 20
        assert ws.recv() == (8, struct.pack("!H", 1000))
        ws.send(8, struct.pack("!H", 1000))
        status.wait(lambda seen: seen["in_flight"] == 0)
    assert status.socket("/large")["in_flight"] == 0


def test_counters_survive_reloads(start: Start) -> None:
    status = start(new_fds=0)
    for generation in (2, 3):
        for number in range(3):
            with client(status.daemon, f"/rooms/{number}"):
                pass
        status.refused("/rooms/403")
        status.daemon.process.send_signal(signal.SIGHUP)
        status.wait(
            lambda seen, g=generation: (
                seen["generation"] == g and {worker["generation"] for worker in seen["workers"]} == {g}
            )
        )
        route = status.socket("/rooms/{room}")
        assert route["status"] == {**NONE, "1xx": 3 * (generation - 1), "4xx": generation - 1}
    assert status()["requests"] == 8


def test_the_table(start: Start, fastrapid: Callable[..., Any]) -> None:
    status = start(control="control.sock", workers=1)
    with client(status.daemon, "/rooms/1"):
        time.sleep(1.1)
        done = fastrapid("-c", str(status.daemon.conf_file), "-s", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "WEBSOCKET /rooms/{room}, request " in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.endswith(" WEBSOCKET /rooms/{room}")]
    assert line.split()[0] == "1"
