"""WebSockets over real sockets: the public API, the handshake, and the server's end."""

from __future__ import annotations

import json
import signal
import struct

import pytest
from harness import read_head, wait
from websocket_client import APP, Raw, Start, client, closed, raw, url, wait_seen
from websockets.exceptions import ConnectionClosed, InvalidStatus


# ---- the public API


def test_echo(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/echo") as ws:
        for message in ("hello", "", "äöü€😀", b"", b"\0\xff", "x" * 125, "x" * 126, b"x" * 65535, b"x" * 65536):
            ws.send(message)
            assert ws.recv(timeout=60) == message
    wait_seen(server, ["disconnect", 1000, ""], ["echo ended"])
    # The connection counts as one request, and HTTP goes on beside it.
    assert server.json("/") == {"hello": "world"}


def test_json(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/json") as ws:
        ws.send('{"a": [1, null]}')
        assert ws.recv(timeout=60) == '{"got":{"a":[1,null]}}'
        assert ws.recv(timeout=60) == b'["binary"]'
        assert closed(ws) == (4001, "enough")


def test_iterates_until_the_client_closes(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/iterate") as ws:
        for text in ("a", "b", "c"):
            ws.send(text)
            assert ws.recv(timeout=60) == text.upper()
    wait_seen(server, ["iterated"])


def test_parameters_and_dependencies(daemon: Start) -> None:
    server = daemon(APP)
    headers = {"X-Token": "secret", "Cookie": "session=abc"}
    with client(server, "/items/7?q=5", additional_headers=headers) as ws:
        assert ws.recv(timeout=60) == '[7,"secret/5","abc"]'
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
        scope = json.loads(ws.recv(timeout=60))
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
        assert ws.recv(timeout=60) == '["one","two"]'


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
        assert ws.recv(timeout=60) == "bye"
        assert closed(ws) == (1000, "")
    wait(lambda: server.log.count("ValueError: on purpose") == 2, lambda: server.log)
    assert "WebSocket /fails failed" in server.log


def test_what_a_handler_closes_with(daemon: Start) -> None:
    server = daemon(APP, errors=True)
    for code, reason in ((1000, ""), (1001, "a"), (1014, "b"), (3000, "x" * 123), (4999, "ä" * 61), (1005, "")):
        with client(server, f"/closes?code={code}&reason={reason}") as ws:
            assert closed(ws) == (code, reason)
    wrong = [(code, "") for code in (0, 999, 1004, 1006, 1015, 2999, 5000, -1, 2**16 + 1000, 2**32 + 1000, 2**65)]
    for code, reason in (*wrong, (1000, "x" * 124), (1000, "ä" * 62)):
        with client(server, f"/closes?code={code}&reason={reason}") as ws:
            assert closed(ws) == (1011, ""), code
    assert server.log.count("Invalid WebSocket close code, or a reason of more than 123 bytes.") == len(wrong) + 1


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
        assert ws.recv(timeout=60) == "tick"
    wait_seen(server, ["sender", 1006])


def test_client_leaves_before_it_is_accepted(daemon: Start) -> None:
    server = daemon(APP, errors=True)
    with server.connect() as connection:
        connection.sendall(
            b"GET /waits HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        wait_seen(server, ["waits began"])
    wait_seen(server, ["websocket.disconnect", 1006], ["waits ended"])


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
        assert ws.recv(timeout=60) == "through"
    assert ["middleware", "/echo"] in server.json("/seen")


# ---- the handshake


def test_accept_of_the_rfc(daemon: Start) -> None:
    server = daemon(APP)
    with server.connect() as connection:
        connection.sendall(
            b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = read_head(connection).lower()
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


# ---- the server's end


def test_sigterm_closes(daemon: Start) -> None:
    server = daemon(APP, {"timeouts": {"drain": 600}})
    with client(server, "/echo") as ws, client(server, "/endless") as other:
        assert other.recv(timeout=60) == "tick"
        ws.send("x")
        assert ws.recv(timeout=60) == "x"
        server.process.send_signal(signal.SIGTERM)
        assert closed(ws) == (1012, "")
        with pytest.raises(ConnectionClosed) as info:
            while True:
                other.recv(timeout=60)
        assert info.value.rcvd is not None
        assert info.value.rcvd.code == 1012
        assert server.wait_exit() == 0  # in less time than that of the drain


def test_reload_closes_the_old_ones(daemon: Start) -> None:
    server = daemon(APP)
    with client(server, "/echo") as ws:
        ws.send("x")
        assert ws.recv(timeout=60) == "x"
        server.process.send_signal(signal.SIGHUP)
        assert closed(ws) == (1012, "")
    with client(server, "/echo") as ws:
        ws.send("again")
        assert ws.recv(timeout=60) == "again"
    wait(lambda: len(server.workers()) == 1, lambda: server.log)
    server.before = {}
