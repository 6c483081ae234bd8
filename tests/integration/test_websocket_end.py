"""WebSockets over real sockets: what is still said when one side has said that it leaves."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import websocket_client
from harness import wait
from websocket_client import Raw, Start, raw, wait_seen

APP = (Path(__file__).parent / "apps/worker_websocket_end.py").read_text()
LONG = {"timeouts": {"ws_hold": 600, "ws_close": 60}}  # where none of it is to pass
BYE = struct.pack("!H", 4000) + b"bye"


def say(ws: Raw, *texts: str, close: bool = True) -> None:
    """All of it in one piece, the close frame behind the messages."""
    frames = b"".join(ws.encode(1, text.encode()) for text in texts)
    ws.socket.sendall(frames + (ws.encode(8, BYE) if close else b""))


# ---- the client leaves


def test_what_came_before_the_close_is_answered(daemon: Start) -> None:
    server = daemon(APP, LONG)
    for path in ("/work", "/work?seconds=0.1"):
        with raw(server, path) as ws:
            say(ws, "one", "two", "three")
            for text in (b"ONE", b"TWO", b"THREE"):
                assert ws.recv() == (1, text)
            assert ws.code() == 4000
    expected = [["took", text] for text in ("one", "two", "three")] + [["left", 4000, "bye"]]
    wait_seen(server, expected[-1])
    assert server.json("/seen") == expected * 2


def test_the_close_comes_while_a_message_is_answered(daemon: Start) -> None:
    server = daemon(APP, LONG)
    with raw(server, "/work?seconds=0.4") as ws:
        say(ws, "one", close=False)
        wait_seen(server, ["took", "one"])
        say(ws)
        assert ws.recv() == (1, b"ONE")
        assert ws.code() == 4000
    wait_seen(server, ["left", 4000, "bye"])


def test_a_handler_that_looks_late(daemon: Start) -> None:
    server = daemon(APP, LONG)
    with raw(server, "/late?seconds=0.3") as ws:
        say(ws, "one")
        ws.socket.shutdown(socket.SHUT_WR)  # who has closed may end its side
        assert ws.recv() == (1, b"ONE")
        assert ws.recv() == (1, b"and more")
        assert ws.code() == 4000
    wait_seen(server, ["late ended"])


def test_what_follows_the_close_is_nothing(daemon: Start) -> None:
    server = daemon(APP, LONG)
    with raw(server, "/work?seconds=0.2") as ws:
        say(ws, "one")
        ws.socket.sendall(ws.encode(1, b"two") + ws.encode(9, b"ping") + b"\xff" * 100)
        assert ws.recv() == (1, b"ONE")
        assert ws.code() == 4000
    wait_seen(server, ["left", 4000, "bye"])
    assert ["took", "two"] not in server.json("/seen")


def test_each_message_has_its_time(daemon: Start) -> None:
    server = daemon(APP, {"timeouts": {"ws_hold": 5}})
    texts = ("one", "two", "three", "four", "five", "six")
    with raw(server, "/work?seconds=1") as ws:
        say(ws, *texts)  # six seconds
        for text in texts:
            assert ws.recv() == (1, text.upper().encode())
        assert ws.code() == 4000


def test_no_message_has_more_than_its_time(daemon: Start) -> None:
    server = daemon(APP)
    with raw(server, f"/work?gate={server.folder}/gate") as ws:
        began = time.monotonic()
        say(ws, "one", "two")
        assert ws.code() == 4000  # while the handler is still at the first one
        assert time.monotonic() - began > 0.8
    (server.folder / "gate").touch()
    wait_seen(server, ["took", "one"], ["left", 1006, ""])  # it could not send


def test_the_time_is_a_setting(daemon: Start) -> None:
    server = daemon(APP, {"timeouts": {"ws_hold": "60s"}})
    with raw(server, f"/work?gate={server.folder}/gate") as ws:
        say(ws, "one")
        ws.socket.settimeout(1.5)  # more than the default
        with pytest.raises(TimeoutError):
            ws.recv()
        (server.folder / "gate").touch()
        ws.socket.settimeout(15)
        assert ws.recv() == (1, b"ONE")
        assert ws.code() == 4000


def test_a_handler_that_ends_meanwhile(daemon: Start) -> None:
    server = daemon(APP, LONG, errors=True)
    for how, code in (("closes", 4001), ("fails", 1011), *[("returns", 4000)] * 4):
        with raw(server, f"/last/{how}") as ws:
            say(ws, "x", "y")
            assert ws.recv() == (1, b"last")
            assert ws.code() == code  # not after the time that it had
    wait(lambda: server.log.count("ValueError: fails") == 1, lambda: server.log)


def test_a_handler_that_only_sends_holds_up_nobody(daemon: Start) -> None:
    server = daemon(websocket_client.APP, LONG)
    with raw(server, "/endless") as ws:
        assert ws.recv() == (1, b"tick")
        began = time.monotonic()
        say(ws)
        while (frame := ws.recv()) == (1, b"tick"):
            pass
        assert frame == (8, BYE[:2])
        assert time.monotonic() - began < 300
    wait_seen(server, ["sender", 1006])


def test_a_sender_that_waits_learns_of_it(daemon: Start) -> None:
    server = daemon(APP, {"limits": {"write_queue": "64K"}, "timeouts": {"write": 60}})
    with raw(server, "/flood") as ws:
        say(ws, "go")
        wait_seen(server, ["flood", 1006])  # though the client has read nothing
        while (frame := ws.recv())[0] == 2:
            assert frame[1] == b"x" * 65536
        assert frame == (8, BYE[:2])


def test_a_client_that_is_gone_is_gone(daemon: Start) -> None:
    server = daemon(APP)
    for _ in range(10):
        ws = Raw(server, "/work?seconds=0.1")
        say(ws, "one", "two")
        ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.socket.close()
    wait(
        lambda: sum(entry[0] == "left" for entry in server.json("/seen")) == 10,
        lambda: str(server.json("/seen")),
    )


# ---- the server leaves


def reload(server: Any) -> None:
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("workers, generation 2")


def end(server: Any) -> None:
    server.process.send_signal(signal.SIGTERM)
    server.wait_log(": stopping")


WAYS = pytest.mark.parametrize("leave", [reload, end])
Leave = Callable[[Any], None]
RESTART = struct.pack("!H", 1012)


@WAYS
def test_a_message_that_is_being_answered(daemon: Start, leave: Leave) -> None:
    server = daemon(APP, LONG, new_fds=1)
    with raw(server, f"/work?gate={server.folder}/gate") as ws:
        say(ws, "one", close=False)
        wait_seen(server, ["took", "one"])
        leave(server)
        time.sleep(0.2)
        (server.folder / "gate").touch()
        assert ws.recv() == (1, b"ONE")
        assert ws.recv() == (8, RESTART)
        ws.send(8, RESTART)
        with pytest.raises(EOFError):
            ws.take(1)


@WAYS
def test_one_that_waits_is_told_at_once(daemon: Start, leave: Leave) -> None:
    server = daemon(APP, LONG)
    with raw(server, "/work") as ws:
        say(ws, "one", close=False)
        assert ws.recv() == (1, b"ONE")
        leave(server)
        assert ws.recv() == (8, RESTART)


@WAYS
def test_a_handshake_that_was_read_is_served(daemon: Start, leave: Leave) -> None:
    """It is accepted, what was sent with it is answered, and then it is told as the others are."""
    server = daemon(APP, LONG)
    head = (
        f"GET /slow-accept?gate={server.folder}/gate HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    with server.connect() as silent, server.connect() as early:
        silent.sendall(head)
        early.sendall(head + Raw.encode(1, b"early"))
        wait(lambda: server.json("/seen").count(["asked"]) == 2, "both are asked for")
        leave(server)
        time.sleep(0.2)
        (server.folder / "gate").touch()
        for connection, said in ((silent, b"\x81\x07welcome"), (early, b"\x81\x07welcome\x81\x05EARLY")):
            data = b""
            while not data.endswith(b"\x88\x02" + RESTART):
                piece = connection.recv(4096)
                assert piece, data
                data += piece
            assert data.startswith(b"HTTP/1.1 101 ")
            assert data.partition(b"\r\n\r\n")[2] == said + b"\x88\x02" + RESTART


def test_who_does_not_end_is_cancelled(daemon: Start) -> None:
    server = daemon(APP, {"timeouts": {"drain": 0.5}})
    with raw(server, "/work?seconds=600") as ws:
        say(ws, "one", close=False)
        wait_seen(server, ["took", "one"])
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait_exit(25) == 0  # 30 is the default
        assert ws.recv()[0] == 8
