"""The spare: workers that replace dead ones are forked from it, whatever the files say by then."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import FASTRAPID, HELLO, SPARE, Daemon, descriptors, free_port, last_seen, wait

Start = Callable[..., Daemon]
PID = HELLO + "\nimport os\n\n@app.get('/pid')\nasync def pid():\n    return os.getpid()\n"
STUCK = PID + "\nimport time\n\n@app.get('/stuck')\nasync def stuck():\n    time.sleep(600)\n"
COUNTED = """
import os, random
from contextlib import asynccontextmanager
from fastrapi import FastrAPI

def note(what):
    with open("NOTES", "a") as notes:
        print(what, os.getpid(), file=notes)

@asynccontextmanager
async def lifespan(app):
    note("start")
    yield
    note("end")

note("import")
app = FastrAPI(lifespan=lifespan)

@app.get("/")
async def root():
    return [os.getpid(), random.random()]
"""


def forget(server: Daemon) -> None:
    """Other workers than at the start: compare from here on."""
    server.before = {pid: descriptors(pid) for pid in [server.pid, *server.workers()]}


def kill_all(server: Daemon) -> list[int]:
    """Kills all workers, when they have settled; returns those that have taken their places."""
    time.sleep(0.3)
    old = server.workers()
    ready = server.log.count(") is ready\n")
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait(lambda: server.log.count(") is ready\n") == ready + len(old), lambda: f"others are ready\n{server.log}")
    new = server.workers()
    assert len(new) == len(old) and not set(new) & set(old)
    return new


def command(server: Daemon, word: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FASTRAPID, "-c", server.conf_file, "-s", word], capture_output=True, text=True, timeout=120, check=False
    )


def status_of(pid: int, field: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(maxsplit=1)[1] for line in lines if line.startswith(field + ":"))


def test_a_replacement_imports_nothing(daemon: Start, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    server = daemon(COUNTED.replace("NOTES", str(notes)), {"workers": 2}, errors=True)
    spare = server.wait_spare()
    before = notes.read_text().count("import")
    for _ in range(3):
        for pid in kill_all(server):
            assert f"start {pid}\n" in notes.read_text()
            assert int(status_of(pid, "PPid")) == server.pid
            assert Path(f"/proc/{pid}/comm").read_text().startswith("fastrapid-w")
            assert os.getpgid(pid) == pid
    assert notes.read_text().count("import") == before
    assert server.spares() == [spare]
    answers = dict(server.json("/") for _ in range(30))
    assert len(set(answers.values())) == len(answers), "Python's random numbers are those of each worker"
    one, other = server.workers()  # the last connection's end may take one of them a moment
    wait(lambda: len(descriptors(one)) == len(descriptors(other)), "they hold as much")
    forget(server)
    assert server.stop() == 0
    assert notes.read_text().count("end") == 2


@pytest.mark.parametrize("broken", ["x = (\n", "import no_such_module\n", "app = 3\n", None])
def test_a_failed_reload_leaves_a_generation_that_can_replace(
    daemon: Start, tmp_path: Path, broken: str | None
) -> None:
    server = daemon(PID, {"workers": 2, "control": "control"}, errors=True)
    server.wait_spare()
    if broken:
        (tmp_path / "main.py").write_text(broken)
    else:
        (tmp_path / "main.py").unlink()
    assert command(server, "reload").returncode == 1
    for _ in range(2):
        new = kill_all(server)
        assert {server.json("/pid") for _ in range(40)} <= set(new)
    assert "could not start" not in server.log
    (tmp_path / "main.py").write_text(PID)
    assert command(server, "reload").returncode == 0
    wait(lambda: server.log.count(" stands by") == 2 and len(server.spares()) == 1, "another spare")
    wait(lambda: len(server.workers()) == 2, "the old ones are gone")
    kill_all(server)
    forget(server)


LEFT = {
    "thread": ("import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()", "1 threads"),
    "socket": ("import socket\nkept = socket.socket()", "socket:"),
    "pipe": ("import os\nkept = os.pipe()", "pipe:"),
    "file": ("kept = open(__file__)", "main.py"),
    "database": ("import sqlite3\nkept = sqlite3.connect(__file__ + '.db'); kept.execute('create table if not exists t (x)')", "main.py.db"),
    "loop": ("import asyncio\nkept = asyncio.new_event_loop()", "anon_inode:[event"),
    "subprocess": ("import subprocess\nkept = subprocess.Popen(['sleep', '600'])", "a subprocess"),
}


@pytest.mark.parametrize("what", LEFT)
def test_what_can_not_be_forked_is_used_up(daemon: Start, what: str) -> None:
    source, words = LEFT[what]
    server = daemon(source + PID, {"workers": 1}, errors=True)
    spare = server.wait_spare()
    assert f"the spare (pid {spare}) of generation 1 stands by for one worker: the import left " in server.log
    assert words in server.log
    assert kill_all(server) == [spare]
    assert server.json("/pid") == spare
    wait(lambda: server.log.count(" stands by") == 2, "another spare")
    (other,) = server.spares()
    assert other != spare
    time.sleep(0.3)
    assert kill_all(server) == [other]
    forget(server)
    assert server.stop() == 0
    if what == "subprocess":  # they outlive any server: not the master's to end
        for pid in server.left():
            with contextlib.suppress(OSError):  # one whose worker has ended is just ending, too
                assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
                os.kill(pid, signal.SIGKILL)
        wait(lambda: not server.left(), "they have ended")


KEPT = {
    "log": "kept = open(__file__ + '.log', 'a')",
    "devices": "kept = open('/dev/null', 'w'), open('/dev/urandom', 'rb')",
    "threads": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(8) as pool:\n    list(pool.map(str, range(99)))",
    "subprocess": "import subprocess\nsubprocess.run(['true'])",
}


@pytest.mark.parametrize("what", KEPT)
def test_what_can_be_forked_is(daemon: Start, what: str) -> None:
    server = daemon(KEPT[what] + PID, {"workers": 1}, errors=True)
    spare = server.wait_spare()
    assert kill_all(server) != [spare]
    assert server.spares() == [spare]
    forget(server)


@pytest.mark.parametrize("stuck", [False, True])
def test_forked_workers_end_with_the_master(daemon: Start, stuck: bool) -> None:
    server = daemon(STUCK, {"workers": 2}, errors=True)
    server.wait_spare()
    kill_all(server)
    with server.connect() as busy:
        if stuck:
            busy.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.2)
        server.process.kill()
        server.process.wait()
        assert last_seen(server.left) < 2.2, "they outlive the master"


def test_a_spare_that_imports_ends_with_the_master(daemon: Start, tmp_path: Path) -> None:
    late = f"import os, time\nif open('/proc/self/comm').read() == '{SPARE}\\n':\n    time.sleep(600)\n"
    server = daemon(late + PID, {"workers": 1})
    wait(lambda: len(server.spares()) == 1, "the spare imports")
    server.process.kill()
    server.process.wait()
    assert last_seen(server.left) < 3, "they outlive the master"


def test_a_spare_that_dies_is_replaced(daemon: Start) -> None:
    server = daemon(PID, {"workers": 1}, errors=True)
    first = server.wait_spare()
    os.kill(first, signal.SIGKILL)
    wait(lambda: server.log.count(" stands by") == 2, "another spare")
    assert f"the spare (pid {first}) was ended by signal 9 (Killed): another in 0.1 s" in server.log
    assert len(server.spares()) == 1
    kill_all(server)
    forget(server)


def test_without_a_spare(daemon: Start) -> None:
    server = daemon(PID, {"workers": 1, "spare": False}, errors=True)
    kill_all(server)
    assert not server.spares() and "spare" not in server.log
    forget(server)


def test_a_spare_that_can_not_be_loaded(daemon: Start) -> None:
    bad = f"if open('/proc/self/comm').read() == '{SPARE}\\n':\n    raise RuntimeError('not twice')\n"
    server = daemon(bad + PID, {"workers": 1}, errors=True)
    server.wait_log("exited with code 1: another in 2.0 s")
    assert server.log.count("RuntimeError: not twice") == 1, "the traceback is shown once"
    kill_all(server)
    forget(server)


def test_signals_to_all_processes(daemon: Start) -> None:
    server = daemon(PID, {"workers": 2})
    spare = server.wait_spare()
    for signo in (signal.SIGINT, signal.SIGHUP, signal.SIGINT):
        for pid in server.children():
            os.kill(pid, signo)
        time.sleep(0.1)
    time.sleep(1)
    assert server.spares() == [spare] and len(server.workers()) == 2


def test_the_status_shows_it(daemon: Start) -> None:
    port = free_port()
    server = daemon(PID, {"workers": 1, "control": "control", "status": {"listen": f"127.0.0.1:{port}"}}, errors=True)

    def spares() -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=60) as answer:
            return json.load(answer)["spares"]

    assert spares()[0]["state"] in ("waiting", "loading", "parked")
    spare = server.wait_spare()
    (shown,) = spares()
    assert shown.pop("rss_bytes") > 1e6
    assert shown == {"generation": 1, "pid": spare, "state": "parked", "forkable": True, "why": None}
    table = command(server, "status").stdout
    line = next(line for line in table.splitlines() if line.startswith(" spare "))
    assert line.split()[1:4] == [str(spare), "1", "parked"]
    os.kill(spare, signal.SIGKILL)
    wait(lambda: spares()[0]["pid"] != spare, "the dead one is not shown")
    forget(server)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_user_and_group(daemon: Start) -> None:
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        server = daemon(PID, {"workers": 1, "user": "nobody"}, errors=True, folder=Path(name))
        spare = server.wait_spare()
        for pid in (spare, *kill_all(server)):
            assert status_of(pid, "Uid").split() == [str(nobody.pw_uid)] * 4
            assert status_of(pid, "Gid").split() == [str(nobody.pw_gid)] * 4
            assert status_of(pid, "Groups").split() == [str(nobody.pw_gid)]
            assert status_of(pid, "NoNewPrivs") == "1"
        server.process.kill()
        server.process.wait()
        assert last_seen(server.left) < 3, "they outlive the master"


def test_the_end_while_workers_import(daemon: Start, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    slow = f"import os, sys, time\nif '--loader' not in sys.orig_argv:\n    open({str(flag)!r}, 'w').close()\n    time.sleep(60)\n"
    server = daemon(slow + HELLO, {"workers": 2}, ready=False)
    wait(flag.exists, lambda: f"workers import\n{server.log}")
    time.sleep(0.1)
    assert server.stop() == 0
    assert "signal" not in server.log
    assert server.log.count(" warning ") == server.log.count("the application runs as root")
