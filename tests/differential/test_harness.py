"""The harness itself: that it sees a difference, and only a difference."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from cases import get, post, request
from client import Answer, Broken, Client, Request
from compare import explain, same


def answer(**changes: object) -> Answer:
    values = {"status": 200, "reason": b"OK", "headers": [(b"A", b"1"), (b"Set-Cookie", b"x"), (b"Set-Cookie", b"y")], "body": b"{}"}
    return Answer(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        answer(status=201),
        answer(body=b"{ }"),
        answer(headers=[(b"A", b"2"), (b"Set-Cookie", b"x"), (b"Set-Cookie", b"y")]),
        answer(headers=[(b"A", b"1"), (b"Set-Cookie", b"y"), (b"Set-Cookie", b"x")]),
        answer(headers=[(b"A", b"1"), (b"Set-Cookie", b"x")]),
        answer(headers=[]),
    ],
)
def test_differences_are_seen(other: Answer) -> None:
    assert not same(answer(), other)
    assert "difference:" in explain("a case", get("/"), answer(), other)


@pytest.mark.parametrize(
    "other",
    [
        answer(),
        answer(reason=b"Fine"),
        answer(headers=[(b"set-cookie", b"x"), (b"set-cookie", b"y"), (b"a", b"1"), (b"Date", b"now"), (b"Server", b"s")]),
        answer(headers=[(b"A", b"1"), (b"Set-Cookie", b"x"), (b"Set-Cookie", b"y"), (b"Connection", b"close")]),
    ],
)
def test_what_does_not_count_is_ignored(other: Answer) -> None:
    assert same(answer(), other)


def test_allow_is_a_set() -> None:
    assert same(answer(headers=[(b"allow", b"GET, POST")]), answer(headers=[(b"Allow", b"POST,GET")]))
    assert not same(answer(headers=[(b"allow", b"GET, POST")]), answer(headers=[(b"allow", b"GET")]))


def test_requests_go_out_as_written() -> None:
    assert get(b"/%zz?\xff", ("A", b"\xe9")).wire() == b"GET /%zz?\xff HTTP/1.1\r\nHost: diff.test\r\nA: \xe9\r\n\r\n"
    assert post("/", {"a": 1}).wire().endswith(b'Content-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}')
    assert request("POST", "/", chunks=(b"ab", b"c")).wire().endswith(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")


@pytest.fixture
def canned() -> Iterator[tuple[Client, list[bytes]]]:
    """A server that gives one prepared answer for each connection."""
    replies: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(replies.pop(0))

    thread = threading.Thread(target=serve)
    thread.start()
    client = Client(listener.getsockname()[1], timeout=10)
    yield client, replies
    client.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("reply", "body", "framing"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", "length"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", b"a", "length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: r\r\n\r\n", b"abc", "chunked"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end", "close"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", "none"),
    ],
)
def test_answers_are_read(canned: tuple[Client, list[bytes]], reply: bytes, body: bytes, framing: str) -> None:
    client, replies = canned
    replies.append(reply)
    got = client.send(get("/"))
    assert (got.body, got.framing) == (body, framing)


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", b"nonsense\r\n\r\n"])
def test_broken_answers_are_errors(canned: tuple[Client, list[bytes]], reply: bytes) -> None:
    client, replies = canned
    replies.append(reply)
    with pytest.raises(Broken):
        client.send(Request(b"GET", b"/"))
