"""WebSockets over real sockets: frames, whole and broken, and many, slow or leaving clients."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time

from harness import wait
from websocket_client import APP, Raw, Start, client, raw, url, wait_seen
from websockets.asyncio.client import connect as async_connect


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
        assert ws.recv(timeout=60) == data
        ws.send([data[:100], data[100:200000], data[200000:]])
        assert ws.recv(timeout=60) == data


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
    wait(lambda: len(server.json("/seen")) >= len(BROKEN), lambda: str(server.json("/seen")))
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
        looks = [0]

        def stopped() -> bool:
            time.sleep(0.1)
            looks.extend(server.json("/seen") or [0])
            return looks[-1] > 0 and looks[-4:] == looks[-1:] * 4

        wait(stopped, lambda: str(looks))
        assert looks[-1] < 900, "nobody reads, but all was sent"
        for _ in range(1000):
            opcode, payload = ws.recv()
            assert (opcode, len(payload)) == (2, 65536)
        opcode, payload = ws.recv()
        assert (opcode, payload) == (8, b"\x03\xe8")


def test_the_client_is_held_back(daemon: Start) -> None:
    server = daemon(APP)
    gate = server.folder / "gate"
    with raw(server, f"/slow?gate={gate}") as ws:
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
        ws.socket.settimeout(60)
        gate.touch()
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
    wait(lambda: server.json("/seen").count(["echo ended"]) == 20, lambda: str(server.json("/seen")))


def test_a_client_that_answers_no_ping_is_gone(daemon: Start) -> None:
    server = daemon(APP, {"timeouts": {"ws_ping": 1}})
    in_time = False
    while not in_time:
        start = time.monotonic()
        with raw(server) as ws:
            assert ws.recv() == (9, b"")
            ws.send(10)
            in_time = time.monotonic() - start < 1.7  # else we were held up ourselves, and may be gone by now
            if in_time:
                assert ws.recv() == (9, b"")
                assert ws.code() == 1011
    wait_seen(server, ["disconnect", 1011, ""])


def test_a_client_that_answers_no_close(daemon: Start) -> None:
    server = daemon(APP, {"timeouts": {"ws_close": 0.3}})
    start = time.monotonic()
    with raw(server, "/returns") as ws:
        assert ws.recv() == (1, b"bye")
        ws.socket.settimeout(3)  # less than the default
        assert ws.code() == 1000
        assert 0.1 < time.monotonic() - start
