"""A raw HTTP client: what a case says is what goes over the wire.

Nothing here encodes, normalises or follows anything, so that both servers see
the same bytes.  One connection is kept for as long as the server keeps it.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class Request:
    """One request, as bytes; `chunks` sends the body chunked, one chunk each."""

    method: bytes
    target: bytes
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    chunks: tuple[bytes, ...] | None = None
    host: bytes | None = b"diff.test"

    def wire(self) -> bytes:
        lines = [self.method + b" " + self.target + b" HTTP/1.1"]
        if self.host is not None:
            lines.append(b"Host: " + self.host)
        lines += [name + b": " + value for name, value in self.headers]
        names = {name.lower() for name, _ in self.headers}
        if self.chunks is not None:
            lines.append(b"Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in self.chunks) + b"0\r\n\r\n"
        else:
            body = self.body
            if b"content-length" not in names and (body or self.method in (b"POST", b"PUT", b"PATCH")):
                lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


@dataclass
class Answer:
    """One answer, with the framing taken off."""

    status: int
    reason: bytes
    headers: list[Header] = field(default_factory=list)
    body: bytes = b""
    framing: str = "length"

    def get(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name]


class Broken(Exception):
    """The server closed the connection, or answered with something that is not HTTP."""


class Client:
    """Requests over one kept-alive connection to 127.0.0.1:port."""

    def __init__(self, port: int, timeout: float = 60.0) -> None:
        self.port = port
        self.timeout = timeout
        self._socket: socket.socket | None = None
        self._buffer = b""

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer = b""

    def send(self, request: Request) -> Answer:
        wire = request.wire()
        if self._socket is not None:
            try:
                return self._exchange(request, wire)
            except (Broken, ConnectionError):
                # The server was free to close the idle connection before this
                # request; on a new one there is no such excuse.
                self.close()
        return self._exchange(request, wire)

    def _exchange(self, request: Request, wire: bytes) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), self.timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(wire)
        except (BrokenPipeError, ConnectionResetError):
            # An early answer may still be readable.
            pass
        answer = self._read(request.method)
        if any(value.lower() == b"close" for value in answer.get(b"connection")):
            self.close()
        return answer

    def _more(self) -> bool:
        assert self._socket is not None
        data = self._socket.recv(65536)
        self._buffer += data
        return bool(data)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if not self._more():
                raise Broken(f"closed in a head, after {self._buffer!r}")
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._more():
                raise Broken(f"closed in a body: {len(self._buffer)} of {size} bytes")
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _read(self, method: bytes) -> Answer:
        while True:
            parts = self._line().split(b" ", 2)
            if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
                raise Broken(f"not a status line: {parts!r}")
            answer = Answer(int(parts[1]), parts[2] if len(parts) > 2 else b"")
            while line := self._line():
                name, colon, value = line.partition(b":")
                if not colon:
                    raise Broken(f"not a header: {line!r}")
                answer.headers.append((name, value.strip(b" \t")))
            if answer.status >= 200:
                break
        coding = b",".join(answer.get(b"transfer-encoding")).lower()
        lengths = answer.get(b"content-length")
        if method == b"HEAD" or answer.status in (204, 304):
            answer.framing = "none"
        elif coding.endswith(b"chunked"):
            answer.framing = "chunked"
            while size := int(self._line().split(b";")[0], 16):
                answer.body += self._exactly(size)
                self._line()
            while self._line():
                pass
        elif lengths:
            answer.body = self._exactly(int(lengths[0]))
        else:
            answer.framing = "close"
            while self._more():
                pass
            answer.body = self._buffer
            self.close()
        return answer
