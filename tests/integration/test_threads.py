"""`def` endpoints and dependencies in threads, many at a time, with clients that leave.

What the loop's thread does in C without the GIL, and what threads do with it, must not meet:
`contrib/check --sanitize` runs this on a build with ThreadSanitizer, and a report fails it.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest
from harness import wait

Start = Callable[..., Any]
APP = """
import asyncio, threading, time
import anyio.from_thread
from fastrapi import BackgroundTasks, Body, Depends, FastrAPI, File, Request, UploadFile, WebSocket
from fastrapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

app = FastrAPI()
opened = closed = done = 0
lock = threading.Lock()


def count(opens=0, closes=0, tasks=0):
    global opened, closed, done
    with lock:
        opened, closed, done = opened + opens, closed + closes, done + tasks


def resource():
    count(opens=1)
    try:
        yield threading.get_ident()
    finally:
        count(closes=1)


@app.get("/short")
def short():
    return {"short": 1}


@app.get("/thread", sync_handlers="threads")
def thread(ident: int = Depends(resource)):
    return {"thread": ident != threading.main_thread().ident}


@app.get("/wait")
def wait(seconds: float = 0.002):
    time.sleep(seconds)
    return {"waited": 1}


@app.post("/body", sync_handlers="threads")
def body(request: Request, data: dict = Body()):
    return {"n": len(data["text"]), "method": request.method}


@app.post("/upload", sync_handlers="threads")
def upload(tasks: BackgroundTasks, file: UploadFile = File()):
    tasks.add_task(count, tasks=1)
    return {"n": len(file.file.read())}


@app.get("/stream")
def stream(ident: int = Depends(resource)):
    return StreamingResponse(b"x" * 5000 for _ in range(10))


@app.get("/back", sync_handlers="threads")
def back():
    return {"slept": anyio.from_thread.run(asyncio.sleep, 0.001, 1)}


@app.get("/error", sync_handlers="threads")
def error(ident: int = Depends(resource)):
    raise RuntimeError("on purpose")


@app.websocket("/ws")
async def ws(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(await run_in_threadpool(str.upper, await websocket.receive_text()))
    await websocket.close()


@app.get("/state")
async def state():
    return {"open": opened - closed, "done": done}
"""
HOST = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
TEXT = json.dumps({"text": "t" * 40000}).encode()
FORM = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"z" * 50000 + b"\r\n--B--\r\n"


def post(path: bytes, body: bytes, kind: bytes) -> bytes:
    return b"POST " + path + HOST + b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body)) + body


VISITS = [  # request, how the answer begins, how it ends
    (b"GET /short" + HOST + b"\r\n", b"200", b'{"short":1}'),
    (b"GET /thread" + HOST + b"\r\n", b"200", b'{"thread":true}'),
    (b"GET /wait" + HOST + b"\r\n", b"200", b'{"waited":1}'),
    (b"GET /back" + HOST + b"\r\n", b"200", b'{"slept":1}'),
    (b"GET /stream" + HOST + b"\r\n", b"200", b"\r\n0\r\n\r\n"),
    (b"GET /error" + HOST + b"\r\n", b"500", b"Internal Server Error"),
    (post(b"/body", TEXT, b"application/json"), b"200", b'{"n":40000,"method":"POST"}'),
    (post(b"/upload", FORM, b"multipart/form-data; boundary=B"), b"200", b'{"n":50000}'),
    (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\0\0\0\0ab",
        b"101",
        b"\x81\x02AB\x88\x02\x03\xe8",
    ),
]
CLIENTS, ROUNDS = 8, 12


class Client(threading.Thread):
    """Each visit ROUNDS times, in an order of its own; one of four leaves early."""

    def __init__(self, port: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.random = random.Random(seed)
        self.visits = [(visit, self.random.random() < 0.25) for visit in VISITS for _ in range(ROUNDS)]
        self.random.shuffle(self.visits)
        self.whole = self.uploads = 0
        self.failures: list[str] = []

    def run(self) -> None:
        for (request, status, end), leaves in self.visits:
            with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
                if leaves:
                    with contextlib.suppress(OSError):
                        self.leave(connection, request)
                    continue
                connection.sendall(request)
                answer = b""
                while not answer.endswith(end) and (piece := connection.recv(65536)):
                    answer += piece
            if answer[9:12] == status and answer.endswith(end):
                self.whole += 1
                self.uploads += b"/upload" in request
            else:
                self.failures.append(f"{request[:20]!r}: {answer[:60]!r} ... {answer[-60:]!r}")

    def leave(self, connection: socket.socket, request: bytes) -> None:
        connection.settimeout(self.random.choice((0.001, 0.01)))
        connection.sendall(
            request[: self.random.randrange(len(request) + 1)] if self.random.random() < 0.5 else request
        )
        connection.recv(self.random.choice((1, 500)))
        if self.random.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("handlers", ["auto", "threads"])
def test_threads_and_loop_do_not_meet(daemon: Start, handlers: str) -> None:
    server = daemon(APP, {"sync_handlers": handlers, "threads": 8, "timeouts": {"header": 60, "body": 60}}, errors=True)
    clients = [Client(server.port, seed) for seed in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(250)
        assert not client.is_alive()
    failures = [failure for client in clients for failure in client.failures]
    assert not failures, (len(failures), failures[:5])
    assert sum(client.whole for client in clients) > CLIENTS * ROUNDS * len(VISITS) / 2
    uploads = sum(client.uploads for client in clients)
    assert uploads > 0
    states: list[Any] = [None]  # the last one

    def settled() -> bool:
        states[0] = server.json("/state")
        return bool(states[0]["open"] == 0 and states[0]["done"] >= uploads)

    wait(settled, lambda: f"{states[0]}, {uploads} uploads")
    assert "never retrieved" not in server.log
    assert server.log.count("RuntimeError: on purpose") > 0
