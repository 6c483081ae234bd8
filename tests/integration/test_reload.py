"""Reloads: nothing is lost, and what does not come up replaces nothing."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import FASTRAPID, HELLO, SANITIZED, descriptors, free_port, is_free, wait
from load import Load
from test_status import Status

Start = Callable[..., Any]
VERSION = """
import asyncio
from pathlib import Path
from fastrapi import FastrAPI

app = FastrAPI()
here = Path(__file__).parent


@app.get("/")
async def root():
    return VALUE


@app.get("/slow")
async def slow():
    with (here / "begun").open("a") as begun:
        begun.write(".")
    while not (here / "gate").exists():
        await asyncio.sleep(0.02)
    return VALUE
"""
PATIENT = {"idle": 60, "header": 60}  # with clients that may be held up themselves
CONTROL = {"control": "control", "workers": 2, "timeouts": {"drain": 5, "idle": 2}}


def version(value: int) -> str:
    return VERSION.replace("VALUE", str(value))


def begun(server: Any) -> int:
    """How often /slow was called: it goes on until there is a file `gate`."""
    file = server.folder / "begun"
    return len(file.read_text()) if file.exists() else 0


def held(file: Path, source: str = HELLO) -> str:
    """An application that can't be loaded while that file exists."""
    return f"import os, time\nwhile os.path.exists({str(file)!r}):\n    time.sleep(0.01)\n" + source


def ask(server: Any, word: str) -> socket.socket:
    """As `fastrapid -s`: the master has heard it."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(120)
    connection.connect(str(server.folder / "control"))
    connection.sendall(f"{word}\n".encode())
    assert connection.recv(1) == b"."
    return connection


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def command(server: Any, word: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FASTRAPID, "-c", server.conf_file, "-s", word], capture_output=True, text=True, timeout=timeout, check=False
    )


def settled(server: Any, workers: int) -> None:
    """The old generations are gone; from here on the tests at the end apply to the new one."""
    wait(lambda: len(server.workers()) == workers, lambda: f"workers: {server.workers()}\n{server.log}")
    server.before = {pid: descriptors(pid) for pid in [server.pid, *server.workers()]}


def configure(server: Any, **keys: Any) -> None:
    settings = json.loads(server.conf_file.read_text())
    server.conf_file.write_text(json.dumps({**settings, **keys}))


def test_reload_waits_for_the_new_generation(daemon: Start, tmp_path: Path) -> None:
    server = daemon(version(1), CONTROL)
    assert (tmp_path / "control").stat().st_mode & 0o777 == 0o600
    (tmp_path / "main.py").write_text(version(2))
    assert server.json("/") == 1
    done = command(server, "reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "generation 2 serves\n", "")
    assert server.json("/") == 2
    settled(server, 2)


def test_stop_waits_for_the_end(daemon: Start, tmp_path: Path) -> None:
    server = daemon(HELLO, {"pid_file": "pid"})
    assert (tmp_path / "pid.sock").exists()
    done = command(server, "stop")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "] stopped\n" in server.log and is_free(server.port)
    assert server.wait_exit() == 0
    assert not (tmp_path / "pid.sock").exists()
    done = command(server, "stop")
    assert done.returncode == 1
    assert "no server runs" in done.stderr or "can't reach the master" in done.stderr


def test_signals_where_there_is_no_control_socket(daemon: Start, tmp_path: Path) -> None:
    server = daemon(HELLO)
    done = command(server, "reload")
    assert done.returncode == 1
    assert 'neither "control" nor "pid_file" is set' in done.stderr
    (tmp_path / "pid").write_text(f"{server.pid}\n")
    configure(server, pid_file="pid")
    done = command(server, "reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"SIGHUP sent to process {server.pid}" in done.stdout
    server.wait_log("generation 2\n")
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    (tmp_path / "pid.sock").unlink(missing_ok=True)
    done = command(server, "stop")
    assert done.returncode == 1, "the pid in a stale file is somebody else's"
    settled(server, 1)


def test_no_request_is_lost(daemon: Start) -> None:
    server = daemon(HELLO, {"control": "control", "workers": 2, "timeouts": PATIENT})
    with Load(server.port, 10, 10) as load:
        end = time.monotonic() + 60
        signals = 0
        while signals < 20 or (server.log.count(" ready: ") < 3 and time.monotonic() < end):
            time.sleep(0.4)
            server.process.send_signal(1)
            signals += 1
        assert command(server, "reload").returncode == 0  # none is under way any more
    assert not load.failures, load.failures[:5]
    assert load.closes, "retiring workers end their connections"
    assert server.log.count(" ready: ") > 2
    settled(server, 2)
    print(load.summary)


def test_long_requests_end_and_idle_connections_are_answered_once_more(daemon: Start, tmp_path: Path) -> None:
    status = Status(daemon, version(1), **{**CONTROL, "timeouts": {"drain": 60, **PATIENT}})
    server = status.daemon
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(server.json("/slow", 120)))
    with server.connect() as idle, server.connect() as silent:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"\r\n\r\n1" in idle.recv(65536)
        thread.start()
        wait(lambda: begun(server) == 1, "the request has begun")
        status.wait(lambda seen: seen["connections"] == 3)
        (tmp_path / "main.py").write_text(version(2))
        assert command(server, "reload").returncode == 0
        for connection in (idle, silent):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = read_all(connection)
            assert b"\r\nconnection: close\r\n" in answer.lower() and answer.endswith(b"\r\n\r\n1"), answer
    assert not answers
    (tmp_path / "gate").touch()
    thread.join()
    assert answers == [1]
    assert server.json("/") == 2
    settled(server, 2)


def test_idle_connections_are_closed_in_time(daemon: Start) -> None:
    server = daemon(version(1), {**CONTROL, "timeouts": {"idle": 0.5, "drain": 5}})
    with server.connect() as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        idle.recv(65536)
        assert command(server, "reload").returncode == 0
        assert idle.recv(1) == b""
    settled(server, 2)


def test_hups_coalesce(daemon: Start, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    server = daemon(held(hold), {"control": "control"})
    hold.touch()
    server.process.send_signal(1)
    server.wait_log("reloading\n")
    for _ in range(9):
        server.process.send_signal(1)
        time.sleep(0.02)
    with ask(server, "reload") as asked:
        hold.unlink()
        assert read_all(asked) == b"0generation 3 serves\n"
    assert server.log.count("reloading") == 2
    settled(server, 1)


@pytest.mark.parametrize("how", ["signal", "command"])
def test_a_reload_asked_for_during_the_start(daemon: Start, tmp_path: Path, how: str) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    server = daemon(held(hold), {"control": "control"}, ready=False)
    wait(lambda: (tmp_path / "control").exists() and server.workers() != [], lambda: server.log)
    asked = None
    if how == "command":
        asked = ask(server, "reload")
    else:
        server.process.send_signal(1)
    hold.unlink()
    server.wait_ready()
    server.wait_log("1 workers, generation 2\n")
    if asked:
        with asked:
            assert read_all(asked) == b"0generation 2 serves\n"
    assert server.log.count("reloading") == 1
    settled(server, 1)


STARTS = """
import asyncio
import atexit
import os
from contextlib import asynccontextmanager
from pathlib import Path
from fastrapi import FastrAPI

here = Path(__file__).parent


def note(word, name="starts"):
    with (here / name).open("a") as file:
        file.write(word)


note(f"nice {os.nice(0)}\\n")


@asynccontextmanager
async def lifespan(app):
    note("begins\\n")
    while (here / "starts").read_text().count("begins") < AWAITED:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    note("ready\\n")
    atexit.register(lambda: note(f"{os.nice(0)} ", "ends"))
    yield


app = FastrAPI(lifespan=lifespan)
"""


def test_a_reload_leaves_processors_to_those_who_serve(daemon: Start, tmp_path: Path) -> None:
    """The first start starts all workers at once, a reload as many as limits.starting says.

    Its loader, and the interpreters of the workers that have ended, yield to the others.
    """
    conf = {**CONTROL, "workers": 3, "spare": False, "limits": {"starting": 1}, "timeouts": {"start": 30}}
    server = daemon(STARTS.replace("AWAITED", "3"), conf)
    nice, lower = os.nice(0), min(os.nice(0) + 5, 19)
    starts = (tmp_path / "starts").read_text().splitlines()
    assert starts[0] == f"nice {nice}" and starts.count(f"nice {nice}") == 4
    assert starts[-3:] == ["ready"] * 3
    (tmp_path / "starts").unlink()
    (tmp_path / "main.py").write_text(STARTS.replace("AWAITED", "1"))
    assert command(server, "reload").returncode == 0
    starts = (tmp_path / "starts").read_text().splitlines()
    assert starts == [f"nice {lower}"] + [f"nice {nice}", "begins", "ready"] * 3
    settled(server, 3)
    assert (tmp_path / "ends").read_text().split() == [str(lower)] * 3
    (tmp_path / "ends").unlink()
    assert server.stop() == 0
    assert (tmp_path / "ends").read_text().split() == [str(nice)] * 3


def test_a_worker_dies_while_others_start(daemon: Start, tmp_path: Path) -> None:
    server = daemon(version(1), {**CONTROL, "limits": {"starting": 1}, "timeouts": {"drain": 0.5}})
    server.errors = True
    (tmp_path / "main.py").write_text("""
import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from fastrapi import FastrAPI

first = Path(__file__).with_name("first")


@asynccontextmanager
async def lifespan(app):
    try:
        first.touch(exist_ok=False)
    except FileExistsError:  # the second one
        first.write_text("dies")
        await asyncio.sleep(600)

    async def die():
        while not first.read_text():
            await asyncio.sleep(0.01)
        os._exit(3)

    app.state.death = asyncio.create_task(die())
    yield


app = FastrAPI(lifespan=lifespan)
""")
    done = command(server, "reload")
    assert done.returncode == 1
    assert "worker 0 exited with code 3 before the others were ready" in done.stdout + done.stderr
    assert server.json("/") == 1


def test_old_generations_are_bounded(daemon: Start, tmp_path: Path) -> None:
    conf = {**CONTROL, "workers": 1, "timeouts": {"drain": 600}, "limits": {"retiring": 2}}
    server = daemon(version(1), conf, errors=True)
    waiting = []
    for number in range(1, 5):
        connection = server.connect()
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        waiting.append(connection)
        wait(lambda n=number: begun(server) == n, "the request has begun")
        done = command(server, "reload")  # in less time than that of the drain
        assert (done.returncode, done.stdout) == (0, f"generation {number + 1} serves\n")
        assert len(server.workers()) <= 3
    assert server.log.count("a reload waits for generation ") == 2
    for number in (1, 2):
        assert f"a reload waits for generation {number} to end: 2 are retiring already" in server.log
    assert server.log.count("1 requests did not end in time: cancelled") == 2
    for number, connection in enumerate(waiting):
        connection.settimeout(0.1)
        if number < 2:
            assert b"HTTP/1.1 200" not in connection.recv(65536)
        else:
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.close()
    server.process.send_signal(3)
    assert server.wait_exit() == 0


def test_the_master_answers_while_it_reloads(daemon: Start, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    loads = f"os.path.exists({str(flag)!r}) and '--loader' in open('/proc/self/cmdline').read()"
    source = f"import os, time\nif {loads}:\n    time.sleep(600)\n" + HELLO
    server = daemon(source, {"control": "control", "timeouts": {"start": 60}}, errors=True)
    (first,) = server.workers()
    flag.touch()
    server.process.send_signal(1)
    wait(lambda: len(server.workers()) == 2, "the loader runs")
    os.kill(first, 9)
    server.wait_log(") is ready")
    assert server.json("/") == {"hello": "world"}
    assert command(server, "stop").returncode == 0
    assert server.wait_exit() == 0


def test_listeners_come_and_go(daemon: Start, tmp_path: Path) -> None:
    server = daemon(HELLO, {"control": "control", "workers": 2, "timeouts": PATIENT}, errors=True)
    stays, other = f"127.0.0.1:{server.port}", free_port()
    with Load(server.port, 4, 4) as load:
        configure(server, listen=[stays, f"127.0.0.1:{other}", "unix:new.sock"])
        assert command(server, "reload").returncode == 0
        socket.create_connection(("127.0.0.1", other), 5).close()
        with socket.socket(socket.AF_UNIX) as unix:
            unix.connect(str(tmp_path / "new.sock"))
        configure(server, listen=[stays])
        assert command(server, "reload").returncode == 0
        wait(lambda: refused(other), "the removed address is closed")
        assert not (tmp_path / "new.sock").exists()
        configure(server, listen=[stays, "127.0.0.1:1x"])
        done = command(server, "reload")
        assert done.returncode == 1 and "fastrapi.conf:1:" in done.stderr
    assert server.log.count(" error [") == 1 and "reload failed, generation 3 serves on: " in server.log
    assert not load.failures, load.failures[:5]
    configure(server, listen=[stays])
    settled(server, 2)


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


LIFESPAN = """
from contextlib import asynccontextmanager
from fastrapi import FastrAPI

@asynccontextmanager
async def lifespan(app):
    BODY
    yield

app = FastrAPI(lifespan=lifespan)
"""
APPS = {
    "syntax": ("def f(:\n", ["SyntaxError", 'main.py", line 1']),
    "import": ("import no_such_module\n", ["ModuleNotFoundError: No module named 'no_such_module'"]),
    "exception": (HELLO + "\n1 / 0\n", ["ZeroDivisionError: division by zero"]),
    "no application": ("x = 1\n", ["app"]),
    "wants to end": ("import sys\nsys.exit('enough')\n", ["\"main:app\" can't be loaded (exit code"]),
    "exit": ("import os\nos._exit(7)\n", ['"main:app" can\'t be loaded (exit code 7)']),
    "hang": ("import time\ntime.sleep(600)\n", ["was not loaded within timeouts.start (2 s)"]),
    "lifespan": (LIFESPAN.replace("BODY", "raise RuntimeError('no database')"), ["RuntimeError: no database"]),
    "death": (LIFESPAN.replace("BODY", "import os; os.kill(os.getpid(), 9)"), ["was ended by signal 9 (Killed)"]),
    "never ready": (
        LIFESPAN.replace("BODY", "import asyncio; await asyncio.sleep(600)"),
        ["was not ready within timeouts.start (15 s)"],
    ),
}


@pytest.mark.parametrize("kind", APPS)
def test_a_broken_application_replaces_nothing(daemon: Start, tmp_path: Path, kind: str) -> None:
    source, messages = APPS[kind]
    server = daemon(HELLO, {**CONTROL, "timeouts": {"drain": 1, **PATIENT}}, errors=True)
    before = server.workers()
    (tmp_path / "main.py").write_text(source)
    if limit := re.search(r"timeouts.start \((\d+) s\)", messages[0]):  # what is to come up has the time that it needs
        configure(server, timeouts={"start": int(limit[1]), "drain": 1})
    with Load(server.port, 2, 2) as load:
        done = command(server, "reload")
    assert not load.failures, load.failures[:5]
    assert done.returncode == 1 and done.stdout == ""
    for message in messages:
        assert message in done.stderr
        assert message in server.log
    assert "reload failed, generation 1 serves on: " in server.log
    wait(lambda: server.workers() == before, lambda: f"workers: {before}, {server.workers()}")
    (tmp_path / "main.py").write_text(version(2))
    configure(server, timeouts={"drain": 1})
    assert command(server, "reload").returncode == 0
    assert server.json("/") == 2
    settled(server, 2)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ("{", "fastrapi.conf:1:2: "),
        ('{"app": "main:app", "worker": 2}', 'is it "workers"?'),
        ('{"app": "main:app", "workers": 0}', 'found 0 for "workers"'),
        ('{"app": "main:app", "log": {"file": "none/log"}}', "log.file"),
        ('{"app": "main:app", "listen": ["192.0.2.1:80"]}', "192.0.2.1:80: can't listen"),
    ],
)
def test_a_broken_configuration_replaces_nothing(daemon: Start, conf: str, message: str) -> None:
    server = daemon(HELLO, CONTROL, errors=True)
    before = server.workers()
    good = server.conf_file.read_text()
    server.conf_file.write_text(conf)
    server.process.send_signal(1)
    server.wait_log("reload failed, generation 1 serves on: ")
    assert message in server.log
    assert server.workers() == before
    assert server.json("/") == {"hello": "world"}
    server.conf_file.write_text(good)


def test_an_address_in_use_replaces_nothing(daemon: Start) -> None:
    server = daemon(HELLO, CONTROL, errors=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        configure(server, listen=[f"127.0.0.1:{server.port}", f"127.0.0.1:{taken.getsockname()[1]}"])
        done = command(server, "reload")
    assert done.returncode == 1 and "can't listen: Address already in use" in done.stderr
    assert server.json("/") == {"hello": "world"}


def test_the_log_is_opened_anew(daemon: Start, tmp_path: Path) -> None:
    server = daemon(HELLO, {"control": "control", "log": {"file": "log"}})
    (tmp_path / "log").rename(tmp_path / "log.1")
    assert command(server, "reload").returncode == 0
    assert "ready: main:app" in (tmp_path / "log").read_text()
    settled(server, 1)


def test_nothing_grows(daemon: Start) -> None:
    server = daemon(HELLO, {"control": "control", "workers": 1})

    def resident() -> int:
        lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
        # Pages of its program come and go as it needs them: they are no growth.
        return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem")))

    def settles(generation: int) -> None:
        server.wait_log(f" of generation {generation} stands by\n")
        wait(lambda: len(server.workers()) == len(server.spares()) == 1, "old processes are gone")

    for _ in range(3):
        assert command(server, "reload").returncode == 0
    settles(4)
    memory, fds = resident(), len(descriptors(server.pid))
    end = time.monotonic() + 10
    count = 0
    while count < 4 or (time.monotonic() < end and count < 47):
        assert command(server, "reload").returncode == 0
        count += 1
    settles(4 + count)
    wait(lambda: len(descriptors(server.pid)) <= fds, "descriptors are closed")
    wait(lambda: SANITIZED or resident() <= memory + 256, lambda: f"{count} reloads: {memory}, {resident()}")
    settled(server, 1)
