"""Clients that leave after every byte of a request, and of an answer, with a handler running.

Nothing may be left of them: no task, no run, no resource of a dependency, no descriptor, and, on an
ordinary build, no memory; a sanitizer's build tells what was used after it was freed.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from abuse_target import SANITIZED, Target

HOST = b"Host: localhost\r\n"
JSON = b'{"a": 1, "b": ["x", "y"]}'
FORM = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ndata\r\n--B--\r\n'
CHUNKS = b"5;x=y\r\nhello\r\n3\r\n...\r\n0\r\nT: a\r\n\r\n"


def get(path: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"


def post(path: bytes, body: bytes, kind: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + length + b"Content-Type: " + kind + b"\r\n\r\n" + body


def chunked(path: bytes) -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS


REQUESTS = {
    "none": get(b"/"),
    "sleep": get(b"/sleep"),
    "thread": get(b"/thread"),
    "stream": get(b"/stream"),
    "wait": get(b"/wait"),
    "json": post(b"/json", JSON, b"application/json"),
    "body": post(b"/body", b"0123456789", b"text/plain"),
    "pieces": chunked(b"/pieces"),
    "json-chunked": chunked(b"/json"),
    "upload": post(b"/upload", FORM, b"multipart/form-data; boundary=B"),
    "pipelined": get(b"/sleep") + get(b"/stream") + get(b"/"),
}


def by_reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def by_close(connection: socket.socket) -> None:
    connection.close()


def by_half(connection: socket.socket) -> None:
    """Stops sending, reads what comes at once, and leaves."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(0.01)
    try:
        connection.recv(4096)
    except OSError:
        pass
    connection.close()


WAYS = {"reset": by_reset, "close": by_close, "half": by_half}


class Leaver:
    def __init__(self, target: Target) -> None:
        self.target = target
        self.state()  # the first one loads what it needs
        self.idle = self.state()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.target.port), 30)

    def state(self) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.target.port, timeout=120)
        try:
            connection.request("GET", "/state")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def rss(self) -> int:
        with open(f"/proc/{self.target.worker()}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def in_request(self, request: bytes, leave: Callable[[socket.socket], None]) -> None:
        """After each byte that was sent; what was answered meanwhile stays unread."""
        for sent in range(len(request) + 1):
            connection = self.connect()
            connection.sendall(request[:sent])
            leave(connection)

    def in_answer(self, request: bytes, leave: Callable[[socket.socket], None]) -> int:
        """After each byte that was read, until there is no more; returns how many there were."""
        size = 0
        while True:
            connection = self.connect()
            connection.sendall(request)
            got = b""
            while len(got) < size:
                piece = connection.recv(size - len(got))
                if not piece:
                    break
                got += piece
            leave(connection)
            # The last chunk of a stream, or the end of JSON, is the end of the answer.
            if len(got) < size or got.endswith((b"0\r\n\r\n", b"}")):
                return len(got)
            size += 1

    def wait_level(self) -> None:
        """Until nothing is left of the clients."""
        idle = self.idle
        deadline = time.monotonic() + 60
        while True:
            now = self.state()
            more = {kind: number for kind, number in now["kinds"].items() if number > idle["kinds"].get(kind, 0)}
            if not more and now["opened"] == now["closed"] and now["tasks"] <= idle["tasks"] and now["fds"] <= idle["fds"]:
                return
            assert time.monotonic() < deadline, (more, now, idle, self.target.log[-4000:])
            time.sleep(0.1)


@pytest.fixture(scope="module")
def leaver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leaver]:
    target = Target(tmp_path_factory.mktemp("leave"), "abuse_leave_app", 1)
    try:
        target.wait_ready()
        yield Leaver(target)
    finally:
        code = target.stop()
    assert code == 0, target.log
    assert not target.reports(), target.log


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", REQUESTS)
def test_leaves_in_a_request(leaver: Leaver, name: str, way: str) -> None:
    leaver.in_request(REQUESTS[name], WAYS[way])
    leaver.wait_level()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["reset", "close"])
@pytest.mark.parametrize("name", ["none", "sleep", "thread", "stream", "json", "pieces", "upload"])
def test_leaves_in_an_answer(leaver: Leaver, name: str, way: str) -> None:
    assert leaver.in_answer(REQUESTS[name], WAYS[way]) > 100
    leaver.wait_level()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what was freed")
@pytest.mark.timeout(600)
def test_memory_is_level(leaver: Leaver) -> None:
    def all_of_them() -> None:
        for name, request in REQUESTS.items():
            leaver.in_request(request, by_reset)
            if name not in ("wait", "pipelined", "json-chunked"):
                leaver.in_answer(request, by_reset)

    all_of_them()
    leaver.wait_level()
    rss = leaver.rss()
    for _ in range(3):
        all_of_them()
    leaver.wait_level()
    # Some 7000 requests: 100 bytes of each would be seen.
    grown = leaver.rss() - rss
    assert grown < 512 * 1024, f"{grown} bytes"
