"""Clients for the WebSocket tests: the package websockets, and raw frames over a socket."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness import wait
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

APP = (Path(__file__).parent / "apps/worker_websocket.py").read_text()

Start = Callable[..., Any]


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
        pieces = [self.data]
        missing = n - len(self.data)
        while missing > 0:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(b"".join(pieces))
            pieces.append(piece)
            missing -= len(piece)
        data = b"".join(pieces)
        self.data = data[n:]
        return data[:n]

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
    return connect(url(server, path), proxy=None, compression=None, **{"max_size": None, "open_timeout": 60, **options})


def closed(ws: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as info:
        ws.recv(timeout=60)
    assert info.value.rcvd is not None
    return info.value.rcvd.code, info.value.rcvd.reason


def wait_seen(server: Any, *expected: Any) -> None:
    wait(
        lambda: all(e in server.json("/seen") for e in expected),
        lambda: f"{expected}: {server.json('/seen')}\n{server.log}",
    )
