"""Many clients at once, most of which leave at some point; then the end in the midst of them.

On an ordinary build this says little more than that the daemon lives; it is meant for a sanitizer's.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time

import pytest

from abuse_target import Target

SECONDS = 6  # at least, and until so many were served
ANSWERS = 50
THREADS = 8
BIG = b"y" * 700000
HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
BOUNDARY = b"Content-Type: multipart/form-data; boundary=B\r\n"
FORM = (
    b'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\nn\r\n'
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"z" * 70000 + b"\r\n--B--\r\n"
)


def post(path: bytes, body: bytes, extra: bytes = b"") -> bytes:
    return b"POST " + path + HOST + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunks(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


GETS = (b"/", b"/long", b"/long-thread", b"/file", b"/both", b"/thread", b"/raw/x", b"/cancel", b"/nope", b"/?a=%zz")
REQUESTS = [b"GET " + path + HOST + b"\r\n" for path in GETS] + [
    post(b"/slow-reader", BIG),
    post(b"/slow-reader", b"short"),
    post(b"/json", b'{"a": [1, 2, {"b": "c"}]}', b"Content-Type: application/json\r\n"),
    post(b"/json", b'{"a": ', b"Content-Type: application/json\r\n"),
    post(b"/form", FORM, BOUNDARY),
    post(b"/raw/y", BIG),
    post(b"/nope", BIG, b"Expect: 100-continue\r\n"),
    b"POST /slow-reader" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(BIG, 5000),
    b"POST /json" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(b'{"a": 1}', 1),
    b"GET /" + HOST + b"X: \x01\r\n\r\n",
]


class Client(threading.Thread):
    def __init__(self, port: int, seed: int, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.random = random.Random(seed)
        self.over = over
        self.served = 0

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self.visit()
            except ConnectionRefusedError:  # it has ended, and the others are told soon
                time.sleep(0.01)
            except OSError:
                pass

    def visit(self) -> None:
        rnd = self.random
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            if rnd.random() < 0.3:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(rnd.choice((0.005, 0.05, 0.5)))
            data = b"".join(rnd.choice(REQUESTS) for _ in range(rnd.choice((1, 1, 1, 2, 5))))
            if rnd.random() < 0.5:
                data = data[: rnd.randrange(len(data) + 1)]
            at = 0
            while at < len(data):
                size = rnd.choice((1, 7, 100, 5000, len(data)))
                at += connection.send(data[at : at + size])
                if rnd.random() < 0.02:
                    time.sleep(0.01)
            if rnd.random() < 0.2:
                connection.shutdown(socket.SHUT_WR)
            for _ in range(rnd.choice((0, 1, 3, 50))):
                piece = connection.recv(rnd.choice((1, 100, 65536)))
                if not piece:
                    break
                self.served += piece.startswith(b"HTTP/1.1 200 ")
            if rnd.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("app", ["plain", "wrapped"])
@pytest.mark.parametrize("seed", [1, 2])
def test_storm(tmp_path, app: str, seed: int) -> None:
    target = Target(tmp_path, f"abuse_storm_app:{app}", 1)
    over = threading.Event()
    clients: list[Client] = []
    try:
        target.wait_ready()
        worker = target.worker()
        clients += [Client(target.port, seed * 1000 + number, over) for number in range(THREADS)]
        for client in clients:
            client.start()
        time.sleep(SECONDS)
        deadline = time.monotonic() + 120
        while sum(client.served for client in clients) <= ANSWERS and time.monotonic() < deadline:
            time.sleep(0.1)
        assert target.worker() == worker, target.log
    finally:
        code = target.stop()
        over.set()
        for client in clients:
            client.join(60)
    assert code == 0, target.log
    assert not target.reports(), target.log
    assert "exited with" not in target.log and "was ended by" not in target.log, target.log
    assert sum(client.served for client in clients) > ANSWERS
