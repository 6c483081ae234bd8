"""Clients that count every failure: no retries, no excuses.

    with Load(port, keep=10, once=10) as load:
        ...
    assert not load.failures

A keep-alive client opens a new connection only when an answer said `Connection: close`, or when it was
itself held up for so long that the server may be closing the idle one; a one-shot client opens one for
each request.  A refusal, a reset, an end before the
answer is whole, an unexpected status or body: each is a failure, with its time.
"""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType


IDLE = 1.0  # seconds: less than timeouts.idle wherever this is used


class Load:
    def __init__(
        self,
        port: int,
        keep: int = 10,
        once: int = 10,
        path: str = "/",
        body: bytes = b'{"hello":"world"}',
        pause: float = 0.002,
    ) -> None:
        self.address = ("127.0.0.1", port)
        self.path = path
        self.body = body
        self.pause = pause
        self.failures: list[str] = []
        self.latencies: list[float] = []
        self.closes = 0
        self.started = time.monotonic()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i < keep,)) for i in range(keep + once)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(120)
        self.seconds = time.monotonic() - self.started

    def exchange(self, connection: socket.socket, keep: bool) -> bool:
        """One request.  Whether the connection lives on."""
        connection.sendall(
            f"GET {self.path} HTTP/1.1\r\nHost: x\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
        )
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError(f"end within the head, after {received!r}")
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        while len(body) < length:
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError(f"end within the body, after {body!r}")
            body += piece
        if not lines[0].startswith(b"http/1.1 200") or (self.body and body != self.body):
            raise ConnectionError(f"{lines[0]!r}: {body!r}")
        return keep and b"connection: close" not in lines

    def run(self, keep: bool) -> None:
        connection = None
        start = time.monotonic()
        while not self.ended.is_set():
            before, start = start, time.monotonic()
            if connection is not None and start - before > IDLE:
                connection.close()
                connection = None
            lives = False
            try:
                if connection is None:
                    connection = socket.create_connection(self.address, 60)
                lives = self.exchange(connection, keep)
                self.latencies.append(time.monotonic() - start)
                self.closes += keep and not lives
            except (OSError, ValueError, StopIteration) as error:
                kind = "keep-alive" if keep else "one-shot"
                self.failures.append(f"{start - self.started:.3f} s, {kind}: {error!r}")
            if not lives and connection is not None:
                connection.close()
                connection = None
            time.sleep(self.pause)
        if connection is not None:
            connection.close()

    @property
    def summary(self) -> str:
        ordered = sorted(self.latencies)
        return (
            f"{len(ordered)} answers, {len(ordered) / self.seconds:.0f}/s, {len(self.failures)} failures, "
            f"{self.closes} closes, p50 {ordered[len(ordered) // 2] * 1e3:.1f} ms, "
            f"p99 {ordered[len(ordered) * 99 // 100] * 1e3:.1f} ms, worst {ordered[-1] * 1e3:.1f} ms"
        )
