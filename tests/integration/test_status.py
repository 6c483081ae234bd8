"""The status: what the master tells from shared memory, whatever its workers do."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import HELLO, free_port, wait
from websocket_client import client

SOURCE = (
    HELLO
    + """
import asyncio
import os
import signal
import time

from fastrapi import HTTPException, Response


@app.get("/items/{item}")
async def item(item: int):
    if item > 100:
        raise HTTPException(404)
    return item


@app.get("/slow/{name}")
async def slow(name: str):
    await asyncio.sleep(600)


@app.get("/large")
async def large():
    return Response(b"x" * (32 << 20))


@app.get("/stuck")
async def stuck(seconds: float = 0, gate: str = "/"):
    time.sleep(seconds)
    while not os.path.exists(gate):
        time.sleep(0.01)


@app.get("/fails/{how}")
async def fails(how: str):
    if how == "key":
        raise KeyError(how)
    raise ValueError(how)


@app.get("/bad/{length}")
async def bad(length: str):
    return Response(b"xyz", headers={"content-length": length})


@app.get("/short")
def short():
    return os.getpid()


@app.get("/sleeps")
def sleeps():
    time.sleep(0.001)
    return os.getpid()


@app.get("/die")
async def die():
    os.kill(os.getpid(), signal.SIGKILL)


@app.get("/pid")
async def pid():
    return os.getpid()
"""
)
NEAR = 1.1e3  # from a client's seconds to the milliseconds that are told: percentiles are off by 6 %


class Status:
    """A daemon, and its status over HTTP."""

    def __init__(self, daemon: Callable[..., Any], source: str = SOURCE, **conf: Any) -> None:
        self.port = free_port()
        known = {key: conf.pop(key) for key in ("errors", "new_fds") if key in conf}
        conf = {"workers": 2, "status": {"listen": f"127.0.0.1:{self.port}"}, **conf}
        self.daemon = daemon(source, conf, **known)

    def request(self, method: str = "GET", path: str = "/status") -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def __call__(self) -> Any:
        status, headers, body = self.request()
        assert (status, headers["content-type"]) == (200, "application/json")
        return json.loads(body)

    def route(self, path: str) -> Any:
        return next(route for route in self()["routes"] if route["path"] == path)

    def wait(self, condition: Callable[[Any], Any]) -> Any:
        seen: list[Any] = []

        def holds() -> bool:
            seen[:] = [self()]
            return bool(condition(seen[0]))

        wait(holds, lambda: json.dumps(seen, indent=1))
        return seen[0]

    def start(self, path: str) -> None:
        """Asks for path and does not wait."""

        def ask() -> None:
            try:
                self.daemon.get(path, timeout=600)
            except OSError:
                pass
            except http.client.HTTPException:
                pass

        threading.Thread(target=ask, daemon=True).start()


def test_what_it_tells(daemon: Callable[..., Any]) -> None:
    began = time.monotonic()
    status = Status(daemon)
    seen = status()
    assert seen["pid"] == status.daemon.pid
    assert seen["generation"] == 1
    assert 0 <= seen["uptime"] <= time.monotonic() - began + 1
    assert seen["reload"] == {"count": 0, "failed": 0, "last": None, "error": None}
    assert seen["restarts"] == {"total": 0, "requests_lost": 0, "by_cause": {}}
    assert sorted(worker["pid"] for worker in seen["workers"]) == sorted(status.daemon.workers())
    for worker in seen["workers"]:
        assert worker["state"] == "serving"
        assert worker["generation"] == 1
        assert 10e6 < worker["rss_bytes"] < 1e9
    status.wait(lambda seen: all(worker["loop_lag_ms"] < 2000 for worker in seen["workers"]))
    assert status.daemon.process.poll() is None


def test_counters_are_right_at_once(daemon: Callable[..., Any]) -> None:
    status = Status(daemon)
    longest = 0.0
    for number in range(30):
        began = time.monotonic()
        assert status.daemon.get(f"/items/{90 + number}")[0] == (200 if number <= 10 else 404)
        longest = max(longest, time.monotonic() - began)
        assert status.route("/items/{item}")["requests"] == number + 1
    began = time.monotonic()
    status.daemon.get("/items/none")
    longest = max(longest, time.monotonic() - began)
    status.daemon.get("/nowhere")
    route = status.route("/items/{item}")
    assert route["status"] == {"1xx": 0, "2xx": 11, "3xx": 0, "4xx": 20, "5xx": 0, "none": 0}
    assert route["methods"] == "GET"
    assert route["endpoint"] == "main.item"
    assert 0 < route["latency"]["p50_ms"] <= route["latency"]["p99_ms"] < longest * NEAR
    seen = status()
    assert seen["requests"] == 32
    assert sum(worker["requests"] for worker in seen["workers"]) == 32
    assert sum(route["requests"] for route in seen["routes"]) == 32
    none = next(route for route in seen["routes"] if route["path"] is None)
    assert (none["what"], none["requests"], none["status"]["4xx"]) == ("no route", 1, 1)


def test_latencies(daemon: Callable[..., Any]) -> None:
    status = Status(daemon)
    longest = 0.0
    for _ in range(3):
        began = time.monotonic()
        status.daemon.get("/stuck?seconds=0.2")
        longest = max(longest, time.monotonic() - began)
    latency = status.route("/stuck")["latency"]
    assert 180 < latency["p50_ms"] < longest * NEAR
    assert 200 <= latency["mean_ms"] < longest * NEAR


def test_answers_while_every_worker_is_stuck(daemon: Callable[..., Any]) -> None:
    status = Status(daemon)
    gate = status.daemon.folder / "gate"
    for number in range(1, 3):
        # A stuck worker takes no connection: the second one is the other worker's.
        status.start(f"/stuck?gate={gate}")
        status.wait(lambda seen, n=number: sum(len(w["requests_in_flight"]) for w in seen["workers"]) == n)
    seen = status()
    assert [worker["in_flight"] for worker in seen["workers"]] == [1, 1]
    seen = status.wait(lambda seen: all(worker["loop_lag_ms"] > 1000 for worker in seen["workers"]))
    for worker in seen["workers"]:
        assert [(f["method"], f["route"]) for f in worker["requests_in_flight"]] == [("GET", "/stuck")]
        assert worker["requests_in_flight"][0]["seconds"] > 1
    gate.touch()
    status.wait(lambda seen: seen["in_flight"] == 0)
    assert status.route("/stuck")["requests"] == 2


def test_errors_are_grouped(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, errors=True)
    for how in ["key", "value", "value", "key", "value"]:
        assert status.daemon.get(f"/fails/{how}")[0] == 500
    seen = status()
    groups = {error["type"]: error for error in seen["last_errors"]}
    assert {name: group["count"] for name, group in groups.items()} == {"KeyError": 2, "ValueError": 3}
    group = groups["ValueError"]
    assert group["place"].endswith(" in fails")
    assert "main.py:" in group["place"]
    assert group["route"] == "GET /fails/{how}"
    assert group["traceback"].startswith("Traceback (most recent call last):\n")
    assert group["traceback"].endswith("ValueError: value\n")
    assert seen["errors"] == 5
    assert status.route("/fails/{how}")["errors"] == 5
    assert status.route("/fails/{how}")["status"]["5xx"] == 5


def test_errors_that_are_no_text_keep_their_traceback(daemon: Callable[..., Any]) -> None:
    """Half a character, which JSON can bring, does not hide where an exception comes from."""
    source = """
from fastrapi import FastrAPI, Request

app = FastrAPI()


@app.post("/")
async def root(request: Request):
    raise ValueError((await request.json())["text"])
"""
    status = Status(daemon, source, errors=True)
    assert status.daemon.request("POST", "/", '{"text": "\\ud800"}')[0] == 500
    (error,) = status()["last_errors"]
    assert error["traceback"].startswith("Traceback (most recent call last):\n")
    assert error["traceback"].endswith("ValueError: \\ud800\n")
    assert "  ValueError: \\ud800" in status.daemon.log


def test_errors_that_python_did_not_raise_have_a_place(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, errors=True)
    assert status.daemon.get("/bad/10")[0] == 500
    (error,) = status()["last_errors"]
    assert error["type"] == "RuntimeError"
    assert error["place"].endswith("/main.py:%d in main.bad" % (SOURCE[: SOURCE.index("@app.get(\"/bad")].count("\n") + 1))


def test_a_flood_of_errors_is_dropped_and_counted(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, workers=1, errors=True)
    os.kill(status.daemon.pid, signal.SIGSTOP)  # nobody empties the ring
    try:
        for _ in range(300):
            assert status.daemon.get("/fails/value")[0] == 500
    finally:
        os.kill(status.daemon.pid, signal.SIGCONT)
    seen = status()
    assert seen["errors"] == 300
    assert 0 < seen["errors_dropped"] < 300
    assert seen["last_errors"][0]["count"] + seen["errors_dropped"] == 300


def test_placements_are_shared(daemon: Callable[..., Any]) -> None:
    status = Status(daemon)
    assert status.route("/short")["placement"] == "probation"
    assert status.route("/pid")["placement"] == "async"

    def settled(seen: Any) -> bool:
        if {p["state"] for p in seen["placements"]} == {"inline", "threads"}:
            return True
        for _ in range(5):  # how many runs it takes is the machine's affair
            status.daemon.get("/short")
            status.daemon.get("/sleeps")
        return False

    seen = status.wait(settled)
    assert {p["callable"]: p["state"] for p in seen["placements"]} == {
        "main.short": "inline",
        "main.sleeps": "threads",
    }
    assert all(p["why"] for p in seen["placements"] if p["state"] == "threads")


def test_routes_behind_middleware_are_counted(daemon: Callable[..., Any]) -> None:
    source = SOURCE + """
from starlette.middleware.cors import CORSMiddleware

app.add_middleware(CORSMiddleware, allow_origins=["*"])
"""
    status = Status(daemon, source)
    for path in ("/items/1", "/items/2", "/items/101", "/nowhere"):
        status.daemon.get(path)
    seen = status()
    assert status.route("/items/{item}")["requests"] == 3
    assert status.route("/items/{item}")["status"] == {"1xx": 0, "2xx": 2, "3xx": 0, "4xx": 1, "5xx": 0, "none": 0}
    assert [r["requests"] for r in seen["routes"] if r["path"] is None] == [1]


CHANGED = (
    SOURCE
    + """
from contextlib import asynccontextmanager

from fastrapi import Depends, WebSocket
from fastrapi.dependencies.utils import get_parameterless_sub_dependant


@app.websocket("/socket")
async def socket(websocket: WebSocket):
    await websocket.accept()


@asynccontextmanager
async def lifespan(app):
    needed = Depends(lambda: None)
    for route in app.routes:
        if route.path.startswith("/items"):
            route.dependant.dependencies.append(get_parameterless_sub_dependant(depends=needed, path=route.path))
    app.get("/added")(pid)
    app.router.routes.insert(0, app.router.routes.pop())
    yield


app.router.lifespan_context = lifespan
"""
)


def test_routes_that_change_when_the_application_starts_are_counted(daemon: Callable[..., Any]) -> None:
    """As plugins do it: all are compiled again in the worker, but they are the routes that the master knows."""
    status = Status(daemon, CHANGED, errors=True)
    for path in ("/items/1", "/items/2", "/items/101", "/fails/0", "/added", "/nowhere"):
        status.daemon.get(path)
    with client(status.daemon, "/socket"):
        pass
    for _ in range(4):
        status.daemon.get("/sleeps")
    seen = status()
    counts = {route["path"]: (route["requests"], route["errors"]) for route in seen["routes"] if route["requests"]}
    assert counts == {
        "/items/{item}": (3, 0),
        "/fails/{how}": (1, 1),
        "/socket": (1, 0),
        "/sleeps": (4, 0),
        None: (2, 0),  # what was not there before, and what is not there
    }
    assert [error["route"] for error in seen["last_errors"]] == ["GET /fails/{how}"]
    assert status.route("/items/{item}")["status"]["4xx"] == 1
    wait(lambda: status.route("/sleeps")["placement"] == "threads", "all workers know of it")


def test_a_dead_workers_requests_are_named_and_its_counters_kept(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, workers=1, errors=True)
    for _ in range(7):
        status.daemon.get("/items/1")
    pid = status.daemon.json("/pid")
    status.start("/slow/one")
    status.start("/slow/two")
    seen = status.wait(lambda seen: len(seen["workers"][0]["requests_in_flight"]) == 2)
    ids = [flight["request"] for flight in seen["workers"][0]["requests_in_flight"]]
    assert status.route("/slow/{name}")["in_flight"] == 2
    os.kill(pid, signal.SIGKILL)
    status.daemon.wait_log(") is ready")
    for number in ids:
        assert (
            f"worker 0 (pid {pid}) took a request with it: GET /slow/{{name}}, request {number}, " in status.daemon.log
        )
    assert status.daemon.log.count("took a request with it") == 2
    status.daemon.get("/items/1")
    seen = status.wait(lambda seen: seen["in_flight"] == 0)
    assert seen["restarts"] == {
        "total": 1,
        "requests_lost": 2,
        "by_cause": {"was ended by signal 9 (Killed)": 1},
    }
    assert status.route("/items/{item}")["requests"] == 8
    assert seen["requests"] == 9
    assert seen["workers"][0]["requests"] == 1


def test_a_worker_that_dies_in_a_handler_names_the_client(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, workers=1, errors=True)
    with status.daemon.connect() as idle, status.daemon.connect() as connection:
        idle.sendall(b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(9) == b"HTTP/1.1 "
        port = connection.getsockname()[1]
        connection.sendall(b"GET /die HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1) == b""
    status.daemon.wait_log("was ended by signal 9 (Killed)")
    log = status.daemon.log
    assert "took a request with it: GET /die, " in log
    assert re.findall(r"was at the connection from (\S+)", log) == [f"127.0.0.1:{port}"]


def test_an_answer_that_is_not_out_is_in_flight(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, workers=1, errors=True)
    pid = status.daemon.json("/pid")
    with status.daemon.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1) == b"H"
        seen = status.wait(lambda seen: status.route("/large")["requests"] == 1)
        assert [flight["route"] for flight in seen["workers"][0]["requests_in_flight"]] == ["/large"]
        assert seen["in_flight"] == 1
        os.kill(pid, signal.SIGKILL)
        status.daemon.wait_log(f"worker 0 (pid {pid}) took a request with it: GET /large, ")
    assert status.wait(lambda seen: seen["workers"][0]["pid"])["restarts"]["requests_lost"] == 1


def test_a_killed_workers_connections_are_counted_to_the_last(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, workers=1, errors=True)
    pid = status.daemon.json("/pid")
    before = status()
    for _ in range(20):
        status.daemon.get("/items/1")
    os.kill(pid, signal.SIGKILL)
    seen = status.wait(lambda seen: seen["workers"][0]["pid"] not in (None, pid))
    assert seen["accepted"] == before["accepted"] + 20
    assert seen["bytes_in"] > before["bytes_in"] + 20 * len("GET /items/1 HTTP/1.1")
    assert seen["bytes_out"] > before["bytes_out"] + 20 * len("HTTP/1.1 200 OK")


def test_counters_survive_reloads(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, new_fds=0)
    for generation in range(2, 6):
        for _ in range(5):
            assert status.daemon.get("/items/1")[0] == 200
        status.daemon.process.send_signal(signal.SIGHUP)
        status.wait(
            lambda seen, g=generation: (
                seen["generation"] == g and {worker["generation"] for worker in seen["workers"]} == {g}
            )
        )
        assert status.route("/items/{item}")["requests"] == (generation - 1) * 5
    seen = status()
    assert seen["reload"]["count"] == 4
    assert seen["reload"]["error"] is None
    assert seen["requests"] == 20
    assert len([route for route in seen["routes"] if route["path"] == "/items/{item}"]) == 1


def test_routes_that_are_no_more(daemon: Callable[..., Any]) -> None:
    status = Status(daemon)
    for _ in range(4):
        status.daemon.get("/items/1")
    (status.daemon.folder / "main.py").write_text(HELLO)
    status.daemon.process.send_signal(signal.SIGHUP)
    seen = status.wait(
        lambda seen: (
            {worker["generation"] for worker in seen["workers"]} == {2}
            and any(route.get("what") == "former routes" for route in seen["routes"])
        )
    )
    former = next(route for route in seen["routes"] if route.get("what") == "former routes")
    assert former["requests"] == 4
    assert seen["requests"] == 4
    assert not [route for route in seen["routes"] if route["path"] == "/items/{item}"]


def test_a_failed_reload_is_told(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, errors=True)
    (status.daemon.folder / "main.py").write_text("import nothing_of_that_name\n")
    status.daemon.process.send_signal(signal.SIGHUP)
    seen = status.wait(lambda seen: seen["reload"]["failed"] == 1)
    assert "nothing_of_that_name" in seen["reload"]["error"]
    assert seen["generation"] == 1
    assert status.daemon.json("/") == {"hello": "world"}


def test_only_the_status(daemon: Callable[..., Any]) -> None:
    status = Status(daemon)
    assert status.request(path="/")[0] == 404
    assert status.request(path="/status/")[0] == 404
    assert status.request("POST")[0] == 405
    assert status.request("POST")[1]["allow"] == "GET, HEAD"
    code, headers, body = status.request("HEAD")
    assert (code, body) == (200, b"")
    assert int(headers["content-length"]) > 100
    assert headers["cache-control"] == "no-store"


def test_over_a_unix_socket(daemon: Callable[..., Any], tmp_path: Path) -> None:
    server = daemon(SOURCE, {"status": {"listen": "unix:status.sock"}})
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(tmp_path / "status.sock"))
        connection.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["generation"] == 1
    assert server.stop() == 0
    assert not (tmp_path / "status.sock").exists()


def test_no_secrets(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, workers=1, errors=True)
    status.daemon.request("GET", "/fails/value?token=s3cret", headers={"cookie": "k=s3cret", "authorization": "s3cret"})
    status.daemon.request("GET", "/s3cret")
    assert b"s3cret" not in status.request()[2]


def test_the_table(daemon: Callable[..., Any], fastrapid: Callable[..., Any]) -> None:
    began = time.monotonic()
    status = Status(daemon, errors=True, control="control.sock")
    status.daemon.get("/items/1")
    status.daemon.get("/fails/value")
    done = fastrapid("-c", str(status.daemon.conf_file), "-s", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("fastrapid ")
    up = re.search(rf"pid {status.daemon.pid}, up (\d+):(\d\d):(\d\d)\b", done.stdout)
    assert up, done.stdout
    assert int(up[1]) * 3600 + int(up[2]) * 60 + int(up[3]) <= time.monotonic() - began + 1
    assert "WORKER" in done.stdout
    assert any(line.endswith(" GET /items/{item}") for line in done.stdout.splitlines())
    assert "1 times ValueError at " in done.stdout


def test_the_table_of_nobody(fastrapid: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(HELLO)
    (tmp_path / "fastrapi.conf").write_text(json.dumps({"app": "main:app", "control": "control.sock"}))
    done = fastrapid("-c", "fastrapi.conf", "-s", "status")
    assert done.returncode == 1
    assert "no server runs" in done.stderr


def test_a_port_in_use(daemon: Callable[..., Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        server = daemon(SOURCE, {"status": {"listen": address}}, ready=False, errors=True)
        assert server.wait_exit() == 1
        assert f"{address}: can't listen: Address already in use" in server.log


def test_a_reload_moves_it(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, log={"level": "debug"})
    settings = json.loads(status.daemon.conf_file.read_text())
    before, after = status.port, free_port()
    settings["status"]["listen"] = f"127.0.0.1:{after}"
    status.daemon.conf_file.write_text(json.dumps(settings))
    status.daemon.process.send_signal(signal.SIGHUP)
    status.daemon.wait_log(f"status on 127.0.0.1:{after}")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before), 5)
    status.port = after
    assert status()["generation"] == 2
    del settings["status"]
    status.daemon.conf_file.write_text(json.dumps(settings))
    status.daemon.process.send_signal(signal.SIGHUP)
    status.daemon.wait_log("workers, generation 3")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", after), 5)
    status.daemon.wait_log("generation 2 is gone")


def test_each_of_many_requests_is_named(daemon: Callable[..., Any]) -> None:
    status = Status(daemon, workers=1, errors=True)
    pid = status.daemon.json("/pid")
    connections = [status.daemon.connect() for _ in range(400)]
    try:
        for connection in connections:
            connection.sendall(b"GET /slow/x HTTP/1.1\r\nHost: x\r\n\r\n")
        seen = status.wait(lambda seen: seen["in_flight"] == seen["workers"][0]["connections"] == 400)
        assert status.route("/slow/{name}")["in_flight"] == 400
        assert len(seen["workers"][0]["requests_in_flight"]) == 256  # that is enough to be read
        os.kill(pid, signal.SIGKILL)
        status.daemon.wait_log(") is ready")
    finally:
        for connection in connections:
            connection.close()
    named = re.findall(rf"worker 0 \(pid {pid}\) took a request with it: GET /slow/{{name}}, request (\d+), ", status.daemon.log)
    assert len(set(named)) == 400
    seen = status.wait(lambda seen: seen["workers"][0]["state"] == "serving")
    assert seen["restarts"]["requests_lost"] == 400
    assert seen["in_flight"] == 0


def test_more_requests_than_can_be_named(daemon: Callable[..., Any]) -> None:
    """Two for each connection that a worker may hold: handlers may go on when their clients have left."""
    status = Status(daemon, workers=1, errors=True, limits={"connections": 20})
    pid = status.daemon.json("/pid")
    for number in range(1, 4):
        connections = [status.daemon.connect() for _ in range(15)]
        for connection in connections:
            connection.sendall(b"GET /slow/x HTTP/1.1\r\nHost: x\r\n\r\n")
        status.wait(lambda seen, n=number: seen["in_flight"] == n * 15)
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            connection.close()
        status.wait(lambda seen: seen["connections"] == 0)
    seen = status()
    assert (seen["in_flight"], len(seen["workers"][0]["requests_in_flight"])) == (45, 40)
    os.kill(pid, signal.SIGKILL)
    status.daemon.wait_log("took 5 more requests with it")
    status.daemon.wait_log(") is ready")
    assert status.daemon.log.count("took a request with it") == 40
    assert status()["restarts"]["requests_lost"] == 45
