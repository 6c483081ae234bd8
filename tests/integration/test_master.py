"""Start, supervision and end, with real workers."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import HELLO, descriptors, wait

PIDS = (
    HELLO
    + """
import os


@app.get("/pid")
async def pid():
    return os.getpid()
"""
)


def test_serves_on_all_addresses(daemon: Callable[..., Any], tmp_path: Path) -> None:
    server = daemon(HELLO, {"listen": ["127.0.0.1:0", "localhost:0", "unix:sock"]})
    ports = [int(line.rsplit(":", 1)[1]) for line in server.log.splitlines() if "listening on 127.0.0.1:" in line]
    assert len(ports) == 2
    sockets = [socket.create_connection(("127.0.0.1", port), 5) for port in ports]
    sockets.append(socket.socket(socket.AF_UNIX))
    sockets[-1].connect(str(tmp_path / "sock"))
    for connection in sockets:
        with connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = b""
            while piece := connection.recv(65536):
                received += piece
            assert received.endswith(b'{"hello":"world"}')
    assert server.stop() == 0
    assert not (tmp_path / "sock").exists()


def test_all_workers_serve(daemon: Callable[..., Any]) -> None:
    server = daemon(PIDS, {"workers": 3})
    assert len(server.workers()) == 3
    assert server.json("/pid") in server.workers()


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_ends(daemon: Callable[..., Any], signo: int) -> None:
    server = daemon(HELLO, {"workers": 2})
    assert server.stop(signo) == 0
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_ctrl_c_reaches_the_master_alone(daemon: Callable[..., Any]) -> None:
    server = daemon(HELLO, {"workers": 2})
    groups = {os.getpgid(pid) for pid in server.workers()}
    assert os.getpgid(server.pid) not in groups


def test_dead_worker_is_replaced(daemon: Callable[..., Any]) -> None:
    server = daemon(PIDS, {"workers": 1}, errors=True)
    before = server.json("/pid")
    time.sleep(0.3)  # by then it has shown that it can serve
    os.kill(before, signal.SIGKILL)
    server.wait_log(") is ready")
    assert server.json("/pid") != before
    assert "was ended by signal 9 (Killed); it is started again\n" in server.log


def test_a_worker_that_dies_early_is_replaced_after_a_pause(daemon: Callable[..., Any], tmp_path: Path) -> None:
    source = f"""
import os
from contextlib import asynccontextmanager
from pathlib import Path
from fastrapi import FastrAPI

broken = Path({str(tmp_path / "broken")!r})


@asynccontextmanager
async def lifespan(app):
    if broken.exists():
        broken.unlink()
        os._exit(3)
    yield


app = FastrAPI(lifespan=lifespan)


@app.get("/pid")
async def pid():
    return os.getpid()
"""
    server = daemon(source, errors=True)
    before = server.json("/pid")
    time.sleep(0.3)
    (tmp_path / "broken").touch()
    os.kill(before, signal.SIGKILL)
    server.wait_log("exited with code 3; it is started again in 0.1 s\n")
    server.wait_log(") is ready")
    assert server.json("/pid") != before


def test_workers_end_with_the_master(daemon: Callable[..., Any]) -> None:
    server = daemon(HELLO, {"workers": 2})
    server.process.kill()
    server.process.wait()
    wait(lambda: not server.left(), lambda: f"they run: {server.left()}", 5)


def test_port_in_use(daemon: Callable[..., Any], fastrapid: Callable[..., Any]) -> None:
    server = daemon()
    done = fastrapid("-c", str(server.conf_file))
    assert done.returncode == 1
    address = f"127.0.0.1:{server.port}"
    assert f"fastrapid: {address}: can't listen: Address already in use\n" in done.stderr
    assert server.json("/") == {"hello": "world"}


def test_failing_lifespan(daemon: Callable[..., Any]) -> None:
    source = """
from contextlib import asynccontextmanager
from fastrapi import FastrAPI


@asynccontextmanager
async def lifespan(app):
    raise RuntimeError("no database")
    yield


app = FastrAPI(lifespan=lifespan)
"""
    server = daemon(source, {"workers": 2}, ready=False, errors=True)
    assert server.wait_exit() == 1
    assert "could not start" in server.log
    assert "RuntimeError: no database" in server.log


def test_sigterm_while_the_application_loads(daemon: Callable[..., Any]) -> None:
    source = "print('loading', flush=True)\nimport time\ntime.sleep(600)\n"
    server = daemon(source, ready=False)
    wait(lambda: bool(server.workers()), "it loads")
    time.sleep(0.3)
    assert server.stop() == 0


def test_sigterm_while_workers_start(daemon: Callable[..., Any]) -> None:
    source = """
import asyncio
from contextlib import asynccontextmanager
from fastrapi import FastrAPI


@asynccontextmanager
async def lifespan(app):
    print("starting", flush=True)
    await asyncio.sleep(600)
    yield


app = FastrAPI(lifespan=lifespan)
"""
    # The worker says that its lifespan did not end: it was never given the time to.
    server = daemon(source, {"timeouts": {"drain": 0.2}}, ready=False, errors=True)
    server.wait_log("starting")
    assert server.stop() == 0


def test_pid_file_and_log_file(daemon: Callable[..., Any], tmp_path: Path) -> None:
    server = daemon(HELLO, {"pid_file": "pid", "log": {"file": "log"}})
    assert (tmp_path / "pid").read_text() == f"{server.pid}\n"
    assert " ready: main:app, " in (tmp_path / "log").read_text()
    assert server.stop() == 0
    assert not (tmp_path / "pid").exists()


def test_workers_inherit_what_they_need(daemon: Callable[..., Any]) -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    try:
        server = daemon()
        for pid in server.workers():
            images = [what for what in descriptors(pid).values() if what.startswith("/memfd:")]
            assert len(images) <= 1
            assert descriptors(pid)["0"] == "/dev/null"
    finally:
        os.close(read_end)
        os.close(write_end)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that others may read: pytest's are for their owner only."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")
def test_drops_privileges(open_folder: Path, daemon: Callable[..., Any]) -> None:
    nobody = pwd.getpwnam("nobody")
    source = (
        HELLO
        + """
import os
imported_as = os.getresuid()


@app.get("/who")
async def who():
    try:
        os.setuid(0)
        back = True
    except PermissionError:
        back = False
    return [imported_as, os.getresuid(), os.getresgid(), os.getgroups(), back]
"""
    )
    server = daemon(source, {"user": "nobody"}, folder=open_folder)
    uid, gid = nobody.pw_uid, nobody.pw_gid
    assert server.json("/who") == [[uid] * 3, [uid] * 3, [gid] * 3, [gid], False]
    status = Path(f"/proc/{server.workers()[0]}/status").read_text()
    assert "NoNewPrivs:\t1" in status


def test_defaults_without_a_file(tmp_path: Path, fastrapid: Callable[..., Any]) -> None:
    (tmp_path / "main.py").write_text(HELLO)
    done: subprocess.CompletedProcess[str] = fastrapid("-t", "--app", "main:app")
    assert done.returncode == 0
    assert done.stdout.startswith("application main:app: ")
