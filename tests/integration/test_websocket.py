"""WebSockets over real sockets: the public API, the protocol, and the end of both sides."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as async_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

APP = """
import asyncio
from typing import Annotated

from fastrapi import (
    Cookie, Depends, FastAPI, Header, HTTPException, Query, WebSocket, WebSocketDisconnect,
    WebSocketException, status,
)
from fastrapi.responses import PlainTextResponse
from starlette.requests import HTTPConnection

app = FastAPI()
seen = []


@app.get("/")
async def root():
    return {"hello": "world"}


@app.get("/seen")
async def get_seen():
    return seen


@app.websocket("/echo")
async def echo(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            message = await ws.receive()
            if message["type"] == "websocket.disconnect":
                seen.append(["disconnect", message["code"], message.get("reason")])
                break
            if message.get("text") is not None:
                await ws.send_text(message["text"])
            else:
                await ws.send_bytes(message["bytes"])
    finally:
        seen.append(["echo ended"])


@app.websocket("/json")
async def as_json(ws: WebSocket):
    await ws.accept()
    await ws.send_json({"got": await ws.receive_json()})
    await ws.send_json(["binary"], mode="binary")
    await ws.close(4001, "enough")


@app.websocket("/iterate")
async def iterate(ws: WebSocket):
    await ws.accept()
    async for text in ws.iter_text():
        await ws.send_text(text.upper())
    seen.append(["iterated"])


@app.websocket("/handler")
async def handler(ws: WebSocket):
    await ws.accept()
    try:
        await ws.receive_text()
    except WebSocketDisconnect as exc:
        seen.append(["WebSocketDisconnect", exc.code, exc.reason])


async def token(x_token: Annotated[str, Header()], q: int = 0):
    seen.append(["open"])
    yield f"{x_token}/{q}"
    seen.append(["closed"])


@app.websocket("/items/{item_id}")
async def items(ws: WebSocket, item_id: int, t: Annotated[str, Depends(token)],
                session: Annotated[str | None, Cookie()] = None):
    await ws.accept()
    await ws.send_json([item_id, t, session])
    await ws.close()


async def refuse():
    raise WebSocketException(code=status.WS_1008_POLICY_VIOLATION, reason="not you")


@app.websocket("/policy")
async def policy(ws: WebSocket, late: bool = False):
    if late:
        await ws.accept()
    await refuse()


@app.websocket("/http-exception")
async def http_exception(ws: WebSocket):
    raise HTTPException(418, "a teapot", headers={"x-pot": "yes"})


@app.websocket("/denied")
async def denied(ws: WebSocket):
    await ws.receive()
    await ws.send_denial_response(PlainTextResponse("no room", 503))


@app.websocket("/fails")
async def fails(ws: WebSocket, accepted: bool = False):
    if accepted:
        await ws.accept()
    raise ValueError("on purpose")


@app.websocket("/returns")
async def returns(ws: WebSocket):
    await ws.accept()
    await ws.send_text("bye")


@app.websocket("/protocols")
async def protocols(ws: WebSocket):
    await ws.accept(subprotocol=ws.scope["subprotocols"][-1], headers=[(b"X-Own", b"value")])
    await ws.send_json(ws.scope["subprotocols"])
    await ws.close()


@app.websocket("/scope/{x:path}")
async def scope(ws: WebSocket):
    await ws.accept()
    s = ws.scope
    await ws.send_json({
        "type": s["type"], "http_version": s["http_version"], "scheme": s["scheme"], "path": s["path"],
        "raw_path": s["raw_path"].decode(), "query": s["query_string"].decode(), "root_path": s["root_path"],
        "client": s["client"][0], "server": list(s["server"]), "extensions": s["extensions"],
        "method": s.get("method"), "url": str(ws.url), "asgi": s["asgi"], "x": ws.path_params["x"],
        "headers": [[k.decode(), v.decode()] for k, v in s["headers"] if k == b"x-sent"],
        "state": dict(s["state"]),
    })
    await ws.close()


@app.websocket("/flood")
async def flood(ws: WebSocket, n: int, size: int):
    await ws.accept()
    data = b"x" * size
    for i in range(n):
        await ws.send_bytes(data)
        seen[:] = [i + 1]
    await ws.close()


@app.websocket("/slow")
async def slow(ws: WebSocket):
    await ws.accept()
    await ws.receive_text()
    await asyncio.sleep(1)
    n = 0
    async for data in ws.iter_bytes():
        n += len(data)
        await ws.send_text(str(n))


@app.websocket("/endless")
async def endless(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            await ws.send_text("tick")
            await asyncio.sleep(0.01)
    except WebSocketDisconnect as exc:
        seen.append(["sender", exc.code])


@app.websocket("/waits")
async def waits(ws: WebSocket):
    try:
        message = await ws.receive()
        message = await ws.receive()
        seen.append([message["type"], message["code"]])
    finally:
        seen.append(["waits ended"])


@app.websocket("/after")
async def after(ws: WebSocket):
    await ws.accept()
    try:
        await ws.receive_text()
    except WebSocketDisconnect:
        pass
    try:
        await ws.send_text("too late")
    except Exception as exc:
        seen.append([type(exc).__name__])
"""


class Raw:
    """A socket, and frames as bytes."""

    def __init__(self, server: Any, path: str = "/echo", extra: str = "", status: int = 101) -> None:
        self.socket = server.connect()
        self.key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {self.key}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n".encode()
        )
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            piece = self.socket.recv(65536)
            assert piece, self.data
            self.data += piece
        self.head, _, self.data = self.data.partition(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 %d " % status), self.head

    @staticmethod
    def encode(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
        mask = b"\1\2\3\4"
        head = bytes([(0x80 if fin else 0) | opcode])
        if len(payload) < 126:
            head += bytes([0x80 | len(payload)])
        elif len(payload) < 65536:
            head += struct.pack("!BH", 0x80 | 126, len(payload))
        else:
            head += struct.pack("!BQ", 0x80 | 127, len(payload))
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        return head + mask + masked

    def send(self, opcode: int, payload: bytes = b"", fin: bool = True) -> None:
        self.socket.sendall(self.encode(opcode, payload, fin))

    def take(self, n: int) -> bytes:
        while len(self.data) < n:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(self.data)
            self.data += piece
        piece, self.data = self.data[:n], self.data[n:]
        return piece

    def recv(self) -> tuple[int, bytes]:
        first, length = self.take(2)
        assert first & 0x70 == 0, first
        assert first & 0x80, first
        if length == 126:
            length = struct.unpack("!H", self.take(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self.take(8))[0]
        return first & 15, self.take(length)

    def code(self) -> int:
        """The close frame comes, and then the end."""
        opcode, payload = self.recv()
        assert opcode == 8, (opcode, payload)
        with pytest.raises(EOFError):
            self.take(1)
        return int.from_bytes(payload[:2], "big") if payload else 1005


@contextmanager
def raw(server: Any, *args: Any, **options: Any) -> Iterator[Raw]:
    client = Raw(server, *args, **options)
    try:
        yield client
    finally:
        client.socket.close()


def url(server: Any, path: str) -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


def client(server: Any, path: str, **options: Any) -> ClientConnection:
    return connect(url(server, path), proxy=None, compression=None, **{"max_size": None, **options})


def closed(ws: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as info:
        ws.recv(timeout=10)
    assert info.value.rcvd is not None
    return info.value.rcvd.code, info.value.rcvd.reason


def wait_seen(server: Any, *expected: Any) -> None:
    deadline = time.monotonic() + 10
    while True:
        seen = server.json("/seen")
        if all(e in seen for e in expected):
            return
        assert time.monotonic() < deadline, (seen, server.log)
        time.sleep(0.02)


Start = Callable[..., Any]


# ---- the public API


def test_echo(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/echo") as ws:
        for message in ("hello", "", "äöü€😀", b"", b"\0\xff", "x" * 125, "x" * 126, b"x" * 65535, b"x" * 65536):
            ws.send(message)
            assert ws.recv(timeout=10) == message
    wait_seen(server, ["disconnect", 1000, ""], ["echo ended"])
    # The connection counts as one request, and HTTP goes on beside it.
    assert server.json("/") == {"hello": "world"}


def test_json(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/json") as ws:
        ws.send('{"a": [1, null]}')
        assert ws.recv(timeout=10) == '{"got":{"a":[1,null]}}'
        assert ws.recv(timeout=10) == b'["binary"]'
        assert closed(ws) == (4001, "enough")


def test_iterates_until_the_client_closes(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/iterate") as ws:
        for text in ("a", "b", "c"):
            ws.send(text)
            assert ws.recv(timeout=10) == text.upper()
    wait_seen(server, ["iterated"])


def test_parameters_and_dependencies(daemon: Start) -> None:
    server = daemon(APP)
    headers = {"X-Token": "secret", "Cookie": "session=abc"}
    with client(server, "/items/7?q=5", additional_headers=headers) as ws:
        assert ws.recv(timeout=10) == '[7,"secret/5","abc"]'
        assert closed(ws) == (1000, "")
    wait_seen(server, ["open"], ["closed"])


def test_invalid_parameters_refuse(daemon: Start) -> None:
    server = daemon(APP)
    for path in ("/items/seven", "/items/7?q=x", "/items/7"):
        headers = {} if path == "/items/7" else {"X-Token": "secret"}
        with pytest.raises(InvalidStatus) as info:
            client(server, path, additional_headers=headers)
        assert info.value.response.status_code == 403


def test_scope(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/scope/a%20b/c?q=1&r=%20", additional_headers={"X-Sent": "here"}) as ws:
        scope = json.loads(ws.recv(timeout=10))
    assert scope == {
        "type": "websocket",
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/scope/a b/c",
        "raw_path": "/scope/a%20b/c",
        "query": "q=1&r=%20",
        "root_path": "",
        "client": "127.0.0.1",
        "server": ["127.0.0.1", server.port],
        "extensions": {"websocket.http.response": {}},
        "method": None,
        "url": url(server, "/scope/a b/c?q=1&r=%20"),
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "x": "a b/c",
        "headers": [["x-sent", "here"]],
        "state": {},
    }


def test_subprotocols_and_headers(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/protocols", subprotocols=["one", "two"]) as ws:
        assert ws.subprotocol == "two"
        assert ws.response is not None
        assert ws.response.headers["X-Own"] == "value"
        assert ws.recv(timeout=10) == '["one","two"]'


def test_exceptions(daemon: Start) -> None:
    server = daemon(APP, errors=True)
    for path, status, body in (
        ("/policy", 403, b""),
        ("/http-exception", 418, b'{"detail":"a teapot"}'),
        ("/denied", 503, b"no room"),
        ("/fails", 500, b"Internal Server Error"),
        ("/nowhere", 403, b""),
        ("/", 403, b""),
    ):
        with pytest.raises(InvalidStatus) as info:
            client(server, path)
        assert (info.value.response.status_code, info.value.response.body) == (status, body), path
    with client(server, "/policy?late=true") as ws:
        assert closed(ws) == (1008, "not you")
    with client(server, "/fails?accepted=true") as ws:
        assert closed(ws) == (1011, "")
    with client(server, "/returns") as ws:
        assert ws.recv(timeout=10) == "bye"
        assert closed(ws) == (1000, "")
    assert server.log.count("ValueError: on purpose") == 2
    assert "WebSocket /fails failed" in server.log


def test_disconnect_in_the_handler(daemon: Start) -> None:
    server = daemon(APP)
    with raw(server, "/handler") as ws:
        ws.send(8, struct.pack("!H", 4321) + b"because")
        assert ws.code() == 4321
    with raw(server, "/handler") as ws:
        ws.send(8)
        assert ws.code() == 1005
    with raw(server, "/handler"):
        pass
    wait_seen(
        server,
        ["WebSocketDisconnect", 4321, "because"],
        ["WebSocketDisconnect", 1005, ""],
        ["WebSocketDisconnect", 1006, ""],
    )


def test_send_after_the_end(daemon: Start) -> None:
    server = daemon(APP)
    with raw(server, "/after") as ws:
        ws.send(8, struct.pack("!H", 1000))
        assert ws.code() == 1000
    wait_seen(server, ["RuntimeError"])


def test_sender_learns_of_the_end(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/endless") as ws:
        assert ws.recv(timeout=10) == "tick"
    wait_seen(server, ["sender", 1006])


def test_client_leaves_before_it_is_accepted(daemon: Start) -> None:
    server = daemon(APP, errors=True)
    with server.connect() as connection:
        connection.sendall(
            b"GET /waits HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        time.sleep(0.2)
    wait_seen(server, ["websocket.disconnect", 1006], ["waits ended"])


# ---- the handshake


def test_accept_of_the_rfc(daemon: Start) -> None:
    server = daemon(APP)
    with server.connect() as connection:
        connection.sendall(
            b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = connection.recv(4096).lower()
    assert head.startswith(b"http/1.1 101 switching protocols\r\n")
    assert b"\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n" in head
    assert b"\r\nupgrade: websocket\r\n" in head
    assert b"\r\nconnection: upgrade\r\n" in head
    assert b"content-length" not in head
    assert b"sec-websocket-extensions" not in head


GOOD = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


NONE: list[tuple[str, dict[str, str | None], int]] = [
    ("POST", {}, 400),
    ("GET", {"Sec-WebSocket-Key": "short"}, 400),
    ("GET", {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=!"}, 400),
    ("GET", {"Sec-WebSocket-Key": None}, 400),
    ("GET", {"Content-Length": "3"}, 400),
    ("GET", {"Sec-WebSocket-Version": "8"}, 426),
    ("GET", {"Sec-WebSocket-Version": None}, 426),
    ("GET", {"Connection": "keep-alive"}, 404),
    ("GET", {"Upgrade": "h2c"}, 404),
]


def test_handshakes_that_are_none(daemon: Start) -> None:
    server = daemon(APP)
    for method, changes, status in NONE:
        headers = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
        body = "abc" if "Content-Length" in headers else None
        got, fields, _ = server.request(method, "/echo", body, headers)
        assert got == status, (method, changes)
        if status == 426:
            assert fields["sec-websocket-version"] == "13"
            assert fields["upgrade"] == "websocket"


def test_frames_behind_the_head(daemon: Start) -> None:
    server = daemon(APP)
    with server.connect() as connection:
        head = "".join(f"{k}: {v}\r\n" for k, v in GOOD.items())
        early = Raw.encode(1, b"early")
        connection.sendall(f"GET /echo HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + early)
        data = b""
        while not data.endswith(b"early"):
            piece = connection.recv(4096)
            assert piece, data
            data += piece
    assert data.partition(b"\r\n\r\n")[2] == b"\x81\x05early"


# ---- frames


def test_fragments_and_pings(daemon: Start) -> None:
    server = daemon(APP)
    with raw(server) as ws:
        ws.send(1, "€".encode()[:1], fin=False)
        ws.send(9, b"inside")
        assert ws.recv() == (10, b"inside")
        ws.send(0, b"", fin=False)
        ws.send(0, "€".encode()[1:])
        assert ws.recv() == (1, "€".encode())
        for byte in ws.encode(2, b"piecemeal" * 20):
            ws.socket.sendall(bytes([byte]))
        assert ws.recv() == (2, b"piecemeal" * 20)
        ws.send(10, b"nobody asked")
        ws.send(9)
        assert ws.recv() == (10, b"")


def test_large_messages(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/echo") as ws:
        data = os.urandom(3 << 20)
        ws.send(data)
        assert ws.recv(timeout=30) == data
        ws.send([data[:100], data[100:200000], data[200000:]])
        assert ws.recv(timeout=30) == data


def test_message_limit(daemon: Start) -> None:
    server = daemon(APP, {"limits": {"ws_message": 1000}})
    with raw(server) as ws:
        ws.send(2, b"x" * 1000)
        assert ws.recv() == (2, b"x" * 1000)
        ws.send(2, b"x" * 1001)
        assert ws.code() == 1009
    with raw(server) as ws:
        ws.send(2, b"x" * 600, fin=False)
        ws.send(0, b"x" * 401, fin=False)
        assert ws.code() == 1009
    with raw(server) as ws:
        # What is only announced costs nothing.
        ws.socket.sendall(b"\x82\xff" + struct.pack("!Q", 1 << 40) + b"\1\2\3\4" + b"x")
        assert ws.code() == 1009
    wait_seen(server, ["disconnect", 1009, ""])


BROKEN = [
    (b"\x81\x02hi", 1002),
    (b"\xc1\x80\0\0\0\0", 1002),
    (b"\x83\x80\0\0\0\0", 1002),
    (b"\x80\x80\0\0\0\0", 1002),
    (b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 1002),
    (b"\x09\x80\0\0\0\0", 1002),
    (b"\x89\xfe\0\x7e\0\0\0\0", 1002),
    (b"\x88\x81\0\0\0\0\x03", 1002),
    (b"\x88\x82\0\0\0\0\x03\xed", 1002),
    (b"\x88\x83\0\0\0\0\x03\xe8\xff", 1007),
    (b"\x81\x82\0\0\0\0\xc0\xaf", 1007),
    (b"\x81\x83\0\0\0\0\xed\xa0\x80", 1007),
    (b"\x81\x82\0\0\0\0\xe2\x82", 1007),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002),
]


def test_broken_frames(daemon: Start) -> None:
    server = daemon(APP)
    for data, code in BROKEN:
        with raw(server, "/handler") as ws:
            ws.socket.sendall(data)
            assert ws.code() == code, data
    wait_seen(server, *(["WebSocketDisconnect", code, ""] for code in (1002, 1007)))
    assert len(server.json("/seen")) == len(BROKEN)


# ---- many, slow, gone


def test_200_at_a_time(daemon: Start) -> None:
    server = daemon(APP, {"workers": 2})

    async def one(i: int) -> None:
        async with async_connect(url(server, "/echo"), proxy=None, compression=None, open_timeout=60) as ws:
            for n in range(5):
                text = f"{i}/{n} " + "x" * i
                await ws.send(text)
                assert await asyncio.wait_for(ws.recv(), 60) == text
            ready.append(i)
            while len(ready) < 200:
                await asyncio.sleep(0.02)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(i) for i in range(200)))

    ready: list[int] = []
    asyncio.run(all_of_them())
    assert len(ready) == 200


def test_the_sender_is_held_back(daemon: Start) -> None:
    server = daemon(APP, {"limits": {"write_queue": "64K"}})
    with raw(server, "/flood?n=1000&size=65536") as ws:
        last = 0
        for _ in range(50):
            time.sleep(0.1)
            [now] = server.json("/seen") or [0]
            if now and now == last:
                break
            last = now
        assert 0 < last < 900, "nobody reads, but all was sent"
        for _ in range(1000):
            opcode, payload = ws.recv()
            assert (opcode, len(payload)) == (2, 65536)
        opcode, payload = ws.recv()
        assert (opcode, payload) == (8, b"\x03\xe8")


def test_the_client_is_held_back(daemon: Start) -> None:
    server = daemon(APP)
    with raw(server, "/slow") as ws:
        ws.send(1, b"go")
        ws.socket.settimeout(0.5)
        frame = ws.encode(2, b"x" * 60000)
        sent = 0
        rest = b""
        try:
            for _ in range(1000):
                rest = frame
                while rest:
                    n = ws.socket.send(rest)
                    rest = rest[n:]
                sent += 1
        except TimeoutError:
            pass
        assert sent < 1000, "all was taken, though nobody read it"
        ws.socket.settimeout(20)
        ws.socket.sendall(rest)
        for i in range(sent + 1):
            assert ws.recv() == (1, str((i + 1) * 60000).encode())


def test_abrupt_ends(daemon: Start) -> None:
    server = daemon(APP)
    for i in range(20):
        ws = Raw(server)
        if i % 2:
            ws.socket.sendall(ws.encode(2, b"x" * 1000)[:300])
        else:
            ws.send(1, b"hello")
        if i % 4 < 2:
            ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.socket.close()
    deadline = time.monotonic() + 10
    while server.json("/seen").count(["echo ended"]) < 20:
        assert time.monotonic() < deadline, server.json("/seen")
        time.sleep(0.02)


def test_a_client_that_answers_no_ping_is_gone(daemon: Start) -> None:
    server = daemon(APP, {"timeouts": {"ws_ping": 0.3}})
    with raw(server) as ws:
        assert ws.recv() == (9, b"")
        ws.send(10)
        assert ws.recv() == (9, b"")
        assert ws.code() == 1011
    wait_seen(server, ["disconnect", 1011, ""])


def test_a_client_that_answers_no_close(daemon: Start) -> None:
    server = daemon(APP, {"timeouts": {"ws_close": 0.3}})
    with raw(server, "/returns") as ws:
        assert ws.recv() == (1, b"bye")
        start = time.monotonic()
        assert ws.code() == 1000
        assert 0.1 < time.monotonic() - start < 3


# ---- the server's end


def test_sigterm_closes(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/echo") as ws, client(server, "/endless") as other:
        assert other.recv(timeout=10) == "tick"
        ws.send("x")
        assert ws.recv(timeout=10) == "x"
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert closed(ws) == (1012, "")
        with pytest.raises(ConnectionClosed) as info:
            while True:
                other.recv(timeout=10)
        assert info.value.rcvd is not None
        assert info.value.rcvd.code == 1012
        assert server.wait_exit() == 0
        assert time.monotonic() - start < 5


def test_reload_closes_the_old_ones(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/echo") as ws:
        ws.send("x")
        assert ws.recv(timeout=10) == "x"
        server.process.send_signal(signal.SIGHUP)
        assert closed(ws) == (1012, "")
    with client(server, "/echo") as ws:
        ws.send("again")
        assert ws.recv(timeout=10) == "again"
    deadline = time.monotonic() + 20
    while len(server.workers()) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.before = {}


def test_what_the_middleware_sees(daemon: Start) -> None:
    source = APP + """

class Middleware:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket":
            seen.append(["middleware", scope["path"]])
        await self.app(scope, receive, send)


app.add_middleware(Middleware)
"""
    server = daemon(source)
    with client(server, "/echo") as ws:
        ws.send("through")
        assert ws.recv(timeout=10) == "through"
    assert ["middleware", "/echo"] in server.json("/seen")


def test_the_reference_names_the_settings() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/configuration.md").read_text()
    for key in ("limits.ws_message", "timeouts.ws_ping", "timeouts.ws_close"):
        assert re.search(rf"`{re.escape(key)}`", text), key
