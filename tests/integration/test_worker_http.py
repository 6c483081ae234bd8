"""Requests and answers on their way through a worker."""

import hashlib
import http.client
import json
import os
import socket
import time

import pytest
from harness import wait
from worker_daemon import APPS, serving


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("http")
    listen = {"limits": {"body": 64 << 20, "write_queue": 262144}}
    with serving(folder, "worker_http", errors=True, **listen) as daemon:
        yield daemon


def read_until_close(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def wait_seen(daemon, wanted):
    wait(lambda: any(wanted(item) for item in daemon.json("/seen")), lambda: str(daemon.json("/seen")))


def wait_still(daemon):
    """What /endless has sent, when it sends no more: each look gives its worker a turn."""
    looks = []

    def still():
        looks.append(daemon.json("/progress"))
        time.sleep(0.2)
        return looks[-1] > 0 and looks[-3:] == looks[-1:] * 3

    wait(still, lambda: str(looks))
    return looks[-1]


def test_keep_alive(daemon):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    for path in ("/", "/async", "/", "/stream", "/async", "/nowhere", "/") * 5:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == (404 if path == "/nowhere" else 200)
        assert path not in ("/", "/async") or json.loads(body) == {"Hello": "World"}
        assert not answer.will_close
    connection.close()


def test_pipelining_keeps_the_order(daemon):
    paths = ["/stream?pieces=2&size=1", "/nowhere", "/", "/async", "/stream?pieces=3&size=1", "/"]
    with daemon.connect() as connection:
        for n, path in enumerate(paths):
            last = "Connection: close\r\n" if n == len(paths) - 1 else ""
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{last}\r\n".encode())
        data = read_until_close(connection)
    statuses = [line for line in data.split(b"\r\n") if line.startswith(b"HTTP/1.1 ") or b"}HTTP/1.1 " in line]
    assert [line.split(b"HTTP/1.1 ")[1][:3] for line in statuses] == [b"200", b"404", b"200", b"200", b"200", b"200"]
    places = [data.index(b"1\r\nB\r\n"), data.index(b"Not Found"), data.index(b"World"), data.index(b"1\r\nC\r\n")]
    assert places == sorted(places)


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_pipelined_requests_that_wait(daemon, seconds):
    """Nobody else's traffic is needed for the second one to go on."""
    request = b"GET /turn?seconds=%g HTTP/1.1\r\nHost: x\r\n%s\r\n"
    with daemon.connect() as connection:
        connection.settimeout(60)
        connection.sendall(request % (seconds, b"") * 4 + request % (seconds, b"Connection: close\r\n"))
        assert read_until_close(connection).count(b"HTTP/1.1 200 OK") == 5


@pytest.mark.parametrize("pieces", [60, 68, 200])
def test_a_body_that_waits_for_its_reader(daemon, pieces):
    """More than is taken before the handler reads: reading goes on by itself."""
    data = b"400\r\n" + b"x" * 1024 + b"\r\n"
    head = b"POST /sum-later HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with daemon.connect() as connection:
        connection.settimeout(60)
        connection.sendall(head + data * pieces + b"0\r\n\r\n")
        answer = read_until_close(connection)
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["size"] == 1024 * pieces


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/announce?length=10", "Response content shorter than Content-Length"),
        ("/announce?length=2", "Response content longer than Content-Length"),
        ("/announce?length=x", "Invalid HTTP header name or value."),
        ("/status?code=1000", "Invalid HTTP status: 1000"),
        ("/status?code=150", "Invalid HTTP status: 150"),
        ("/status?code=-5", "Invalid HTTP status: -5"),
        ("/status?code=4294967496", "Invalid HTTP status: 4294967496"),
    ],
)
def test_answers_that_can_not_be_sent(daemon, path, words):
    seen = daemon.log.count(words)
    answer = daemon.get(path)
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    wait(lambda: daemon.log.count(words) > seen, lambda: daemon.log)
    assert daemon.log.count(words) == seen + 1
    assert daemon.json("/") == {"Hello": "World"}


def test_http_1_0(daemon):
    with daemon.connect() as connection:
        connection.sendall(b"GET /stream?pieces=2&size=3 HTTP/1.0\r\n\r\n")
        head, body = read_until_close(connection).split(b"\r\n\r\n", 1)
    assert body == b"AAABBB"
    assert b"chunked" not in head.lower()


@pytest.mark.parametrize("path", ["/sum", "/echo"])
@pytest.mark.parametrize("size", [0, 1, 65536, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies(daemon, path, size, chunked):
    data = os.urandom(size)
    body = iter([data[: size // 2], data[size // 2 :]]) if chunked else data
    answer = daemon.request("POST", path, body, {"content-type": "application/octet-stream"})
    assert answer.status == (422 if path == "/echo" and size == 0 else 200), answer.body
    if answer.status == 200:
        told = json.loads(answer.body)
        assert told["size"] == size
        assert told["sha256"] == hashlib.sha256(data).hexdigest()
        assert path == "/echo" or size < 5_000_000 or told["many"]


def test_a_slow_body_is_read_as_it_comes(daemon):
    with daemon.connect() as connection:
        connection.sendall(b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nConnection: close\r\n\r\nabc")
        time.sleep(0.1)
        assert daemon.json("/async")
        connection.sendall(b"def")
        body = read_until_close(connection).split(b"\r\n\r\n", 1)[1]
    assert json.loads(body)["sha256"] == hashlib.sha256(b"abcdef").hexdigest()


def test_json_body(daemon):
    value = {"a": list(range(10000)), "b": "ä"}
    answer = daemon.request("POST", "/json", json.dumps(value), {"content-type": "application/json"})
    assert json.loads(answer.body) == value


def test_expect_continue(daemon):
    with daemon.connect() as connection:
        connection.sendall(
            b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        assert b'"size":3' in read_until_close(connection)


def test_streaming(daemon):
    answer = daemon.get("/stream?pieces=100&size=10000")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == b"".join(bytes([65 + n % 26]) * 10000 for n in range(100))


def test_back_pressure(daemon):
    """A client that does not read stops the application, not the server."""
    tasks = daemon.json("/tasks")
    with daemon.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wait_still(daemon) < 16 << 20
    # Its leaving ends the stream, though the generator never waits.
    wait(lambda: daemon.json("/tasks") <= tasks, "its task has ended")
    wait_still(daemon)


def test_files_and_head(daemon):
    answer = daemon.get("/file")
    assert answer.body == (APPS / "worker_http.py").read_bytes()
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert daemon.request("HEAD", "/").status == 405


def test_answers_that_are_not_json(daemon):
    answer = daemon.get("/cookie")
    assert answer.body == b"ok"
    assert [value[:3] for name, value in answer.getheaders() if name == "set-cookie"] == ["a=1", "b=2"]
    empty = daemon.get("/empty")
    assert (empty.status, empty.body, empty.headers["content-length"]) == (204, b"", None)


def test_header_that_would_split_the_answer(daemon):
    answer = daemon.get("/header?value=a%0d%0ax-evil:%20b")
    assert answer.status == 500
    assert "x-evil" not in answer.headers
    assert daemon.get("/header?value=good").headers["x-value"] == "good"


def test_background_task_runs_after_the_answer(daemon):
    assert daemon.json("/background") == "sent"
    wait_seen(daemon, lambda item: item == "background")


def test_disconnect_is_told(daemon):
    with daemon.connect() as connection:
        connection.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_seen(daemon, lambda item: item == "waits")
    wait_seen(daemon, lambda item: item == "left")


@pytest.mark.parametrize("path", ["/sum", "/echo"])
def test_a_client_that_leaves_is_no_error(daemon, path):
    tracebacks = daemon.log.count("Traceback")
    with daemon.connect() as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc".encode())
        time.sleep(0.1)
    if path == "/sum":
        daemon.wait_log("info [")
        daemon.wait_log(f"POST {path}: the client left before its request was read")
    assert daemon.json("/")
    assert daemon.log.count("Traceback") == tracebacks


def test_scope(daemon):
    scope = daemon.json("/scope?a=%20b&c")
    assert scope.pop("headers")[0] == ["host", f"127.0.0.1:{daemon.port}"]
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ["127.0.0.1", daemon.port],
        "client": ["127.0.0.1", True],
        "scheme": "http",
        "root_path": "",
        "path": "/scope",
        "raw_path": "/scope",
        "query_string": "a=%20b&c",
        "method": "GET",
    }


def test_mounted_application(daemon):
    for body in (b"", b"abc", os.urandom(300_000)):
        answer = daemon.request("POST", "/raw/?body", body)
        assert (answer.status, answer.body) == (200, body[::-1])
        assert answer.headers["x-upper"] == "1"


@pytest.mark.parametrize("what", ["silent", "early"])
def test_mounted_application_that_does_not_answer(daemon, what):
    assert daemon.get(f"/raw/?{what}").status == 500
    assert daemon.json("/async")


def test_mounted_application_that_sends_too_much(daemon):
    with pytest.raises((http.client.HTTPException, OSError)):
        daemon.get("/raw/?longer")
    daemon.wait_log("longer than Content-Length")
    assert daemon.json("/async")


def test_headers_that_nobody_else_keeps(daemon):
    answer = daemon.get("/raw/?iterators")
    assert [answer.getheader(f"x-{i}") for i in range(20)] == [f"value {i}" for i in range(20)]


def test_messages_after_the_answer(daemon):
    assert daemon.get("/raw/?after").body == b"ok"
    wait_seen(daemon, lambda item: item == "http.disconnect")
    wait_seen(daemon, lambda item: "after response already completed" in str(item))


def test_unix_socket(tmp_path):
    path = tmp_path / "socket"
    with (
        serving(tmp_path, "worker_http", [f"unix:{path}"]),
        socket.socket(socket.AF_UNIX) as connection,
    ):
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(b"GET /scope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        body = read_until_close(connection).split(b"\r\n\r\n", 1)[1]
    scope = json.loads(body)
    assert scope["client"] is None
    assert scope["server"] == [str(path), None]
    assert not path.exists()


def test_a_client_that_gives_a_stream_up_is_no_error(tmp_path):
    """It closes its side, and so ends the stream: nothing that an operator must look at."""
    source = """
import asyncio
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()

async def pieces():
    while True:
        yield "piece"
        await asyncio.sleep(0.01)

@app.get("/ready")
async def ready(): pass

@app.get("/stream")
async def stream():
    return StreamingResponse(pieces())

async def silent(scope, receive, send):
    while (await receive())["type"] != "http.disconnect":
        pass

app.mount("/silent", silent)
"""
    (tmp_path / "own.py").write_text(source)
    with serving(tmp_path, "own", app_dir=str(tmp_path), serve_fastapi_imports=True, log={"level": "debug"}) as daemon:
        for path, begun in ("/stream", True), ("/silent/", False):
            with daemon.connect() as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                if begun:
                    assert connection.recv(15) == b"HTTP/1.1 200 OK"
                connection.shutdown(socket.SHUT_WR)
                assert not begun or b"piece" in read_until_close(connection)
                daemon.wait_log(f"GET {path}: the client left, the answer was not ")
