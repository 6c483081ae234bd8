"""What the application's own processes inherit, and what becomes of them; descriptors, signals, commands."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import FASTRAPID, HELLO, descriptors, free_port, is_free, read_head, wait

Start = Callable[..., Any]
FORKS = (
    HELLO
    + """
import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor


@app.get("/pid")
async def pid():
    return os.getpid()


@app.get("/fork")
def fork(own: bool):
    reads, writes = os.pipe()
    child = os.fork()
    if child:
        os.close(writes)
        os.read(reads, 1)  # it is what it is going to be
        os.close(reads)
        return child
    if own:
        os.setsid()
    os.write(writes, b".")
    os.close(reads)
    os.close(writes)
    time.sleep(600)
    os._exit(0)


def sleeper(runs):
    runs.send(True)
    time.sleep(600)


@app.get("/terminate")
def terminate():
    context = multiprocessing.get_context("fork")
    reads, writes = context.Pipe(duplex=False)
    process = context.Process(target=sleeper, args=(writes,))
    process.start()
    with reads, writes:
        reads.recv()
    process.terminate()
    process.join(60)
    return process.exitcode


@app.get("/pool")
async def pool():
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor:
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(executor, pow, i, 2) for i in range(8)]


@app.get("/run")
async def run():
    process = await asyncio.create_subprocess_exec("sleep", "600")
    return process.pid


@app.get("/orphan")
def orphan():
    subprocess.run(["sh", "-c", "setsid sleep 600 & setsid sh -c 'kill -9 $$' &"], check=True)


@app.get("/stuck")
async def stuck():
    print("it is stuck", flush=True)
    time.sleep(600)


@app.get("/print")
async def say(text: str):
    print(text)
    print(text, file=sys.stderr, flush=True)
"""
)


def runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def command(conf: Path, word: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FASTRAPID, "-c", conf, "-s", word], capture_output=True, text=True, timeout=timeout, check=False
    )


def configure(server: Any, **keys: Any) -> None:
    settings = json.loads(server.conf_file.read_text())
    server.conf_file.write_text(json.dumps({**settings, **keys}))


# ---- processes of the application


def test_a_forked_child_has_neither_port_nor_connections(daemon: Start, tmp_path: Path) -> None:
    server = daemon(FORKS, {"listen": [f"127.0.0.1:{(port := free_port())}", "unix:app.sock"]})
    server.port = port
    with socket.socket(socket.AF_UNIX) as local, server.connect() as other, server.connect() as asks:
        local.connect(str(tmp_path / "app.sock"))
        for connection in (local, other):
            connection.sendall(b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 OK" in read_head(connection)
        asks.sendall(b"GET /fork?own=true HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        asks.settimeout(60)  # it ends although the child lives
        while more := asks.recv(65536):
            answer += more
        child = int(answer.split(b"\r\n\r\n")[1])
        assert runs(child)
        worker = descriptors(server.json("/pid"))
        common = set(descriptors(child).values()) & set(worker.values())
        sockets = [what for what in common if what.startswith("socket:")]
        assert len(sockets) == 2, f"a pair of asyncio's own, and nothing else: {common}"
    try:
        assert server.stop() == 0
        assert runs(child), "a session of its own is left alone"
        assert is_free(port)
    finally:
        os.kill(child, signal.SIGKILL)
        wait(lambda: not runs(child), "it is gone")


def test_a_port_is_free_after_the_master_was_killed(daemon: Start) -> None:
    server = daemon(FORKS, errors=True)
    child = server.json("/fork?own=true")
    group = server.json("/fork?own=false")
    os.kill(server.pid, signal.SIGKILL)
    server.wait_exit()
    try:
        wait(lambda: is_free(server.port), "the port is free", 5)
        assert runs(child)
        wait(lambda: not runs(group), "what is in the worker's group ends with it", 5)
        wait(lambda: server.left() == [child], lambda: f"they run: {server.left()}", 5)
    finally:
        os.kill(child, signal.SIGKILL)
        wait(lambda: not runs(child), "it is gone")


def test_a_stuck_worker_without_a_master_takes_its_group_with_it(daemon: Start) -> None:
    server = daemon(FORKS, errors=True)
    assert runs(server.json("/fork?own=false"))
    with server.connect() as connection:
        connection.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_log("it is stuck\n")
        os.kill(server.pid, signal.SIGKILL)
        server.wait_exit()
        wait(lambda: not server.left(), lambda: f"they run: {server.left()}", 5)


def test_children_can_be_ended_and_pools_work(daemon: Start) -> None:
    server = daemon(FORKS, new_fds=2)
    assert server.json("/terminate") == -signal.SIGTERM
    assert server.json("/pool") == [i * i for i in range(8)]
    assert server.json("/") == {"hello": "world"}


@pytest.mark.parametrize("how", ["killed", "replaced", "stopped"])
def test_a_worker_takes_its_group_with_it(daemon: Start, how: str) -> None:
    server = daemon(FORKS, {"pid_file": "pid", "timeouts": {"drain": 2}}, errors=True, new_fds=4)
    children = [server.json("/run"), server.json("/fork?own=false")]
    worker = server.json("/pid")
    if how == "killed":
        os.kill(worker, signal.SIGKILL)
    elif how == "replaced":
        assert command(server.conf_file, "reload").returncode == 0
    else:
        assert command(server.conf_file, "stop").returncode == 0
    wait(lambda: not any(map(runs, children)), "they are gone")
    if how != "stopped":
        wait(lambda: worker not in server.workers(), "the worker is another")
        assert server.json("/pid") != worker
        server.settle()


def test_orphans_are_reaped_and_are_nobody(daemon: Start) -> None:
    server = daemon(FORKS, {"workers": 2}, errors=True)
    server.wait_spare()
    server.get("/orphan")
    names = lambda: sorted(server.children().values())  # noqa: E731
    ours = ["fastrapid-spare", "fastrapid-w0", "fastrapid-w1"]
    wait(lambda: names() == [*ours, "sleep"], lambda: f"the master has what runs, and has reaped the other: {names()}")
    os.kill(server.workers()[0], signal.SIGKILL)
    server.wait_log(") is ready")
    (orphan,) = [pid for pid, name in server.children().items() if name == "sleep"]
    os.kill(orphan, signal.SIGKILL)
    wait(lambda: names() == ours, lambda: f"no zombies: {names()}")
    assert server.log.count("it is started again") == 1
    assert server.json("/") == {"hello": "world"}
    server.settle(2)


# ---- descriptors and signals


def test_standard_descriptors_may_be_closed(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    conf = tmp_path / "c.conf"
    (tmp_path / "main.py").write_text(FORKS)
    settings = {"app": "main:app", "listen": [f"127.0.0.1:{port}"], "workers": 1, "log": {"file": "log"}}
    conf.write_text(json.dumps(settings))
    process = subprocess.Popen(["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', FASTRAPID, conf])
    try:
        wait(lambda: log.is_file() and " ready: " in log.read_text(), "it is ready", 120)
        with socket.create_connection(("127.0.0.1", port), 15) as connection:
            connection.sendall(b"GET /print?text=said HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 OK" in read_head(connection), log.read_text()
        assert set(descriptors(process.pid)) >= {"0", "1", "2"}
        assert [descriptors(process.pid)[fd] for fd in "012"] == ["/dev/null"] * 3
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert "said\n" in log.read_text()


def test_the_log_is_opened_anew(daemon: Start, tmp_path: Path) -> None:
    server = daemon(FORKS, {"workers": 1, "log": {"file": "log"}}, errors=True)
    spare = server.wait_spare()
    server.log_files.append(tmp_path / "log.1")
    log = tmp_path / "log"
    log.rename(tmp_path / "log.1")
    server.process.send_signal(signal.SIGUSR2)
    server.process.send_signal(signal.SIGUSR1)
    wait(lambda: log.is_file() and "the log is opened anew" in log.read_text(), "the master's")
    for process in (spare, *server.workers()):
        os.kill(process, signal.SIGUSR1)
        os.kill(process, signal.SIGUSR2)
        # It is told to take the new log, and does when its loop comes to that.
        wait(lambda pid=process: str(tmp_path / "log.1") not in descriptors(pid).values(), "it has the new log")
    old = (tmp_path / "log.1").read_text()
    assert server.get("/print?text=first")[0] == 200
    assert "first\n" in log.read_text()
    os.kill(server.workers()[0], signal.SIGKILL)  # another is forked from the spare
    wait(lambda: log.read_text().count("worker 0 of generation 1 is ready") == 1, "the spare's")
    assert spare in server.spares()
    assert server.get("/print?text=second")[0] == 200
    assert "second\n" in log.read_text()
    assert (tmp_path / "log.1").read_text() == old
    held = [what for pid in (server.pid, *server.children()) for what in descriptors(pid).values()]
    assert str(tmp_path / "log.1") not in held
    server.settle()


def test_without_a_log_file_there_is_nothing_to_open(daemon: Start) -> None:
    server = daemon(HELLO)
    server.process.send_signal(signal.SIGUSR1)
    server.wait_log("there is no log.file")
    assert server.json("/") == {"hello": "world"}


# ---- commands


@pytest.mark.parametrize("wrong", ["{", '{"pid_file": "pid", "wrong": 1}', '{ /* "pid_file": "x" */ "pid_file" : "pid", x'])
def test_a_wrong_configuration_fails_in_the_master_too(daemon: Start, wrong: str) -> None:
    server = daemon(HELLO, {"pid_file": "pid"}, errors=True)
    right = server.conf_file.read_text()
    server.conf_file.write_text(wrong)
    done = command(server.conf_file, "reload")
    assert done.returncode == 1
    assert "fastrapi.conf:" in done.stderr
    if wrong == "{":  # it doesn't even say who is to be asked
        assert "reload failed" not in server.log
        server.conf_file.write_text(right)
        return
    assert "reload failed, generation 1 serves on: " in server.log
    done = command(server.conf_file, "status")
    assert done.returncode == 0, done.stderr
    assert "fastrapi.conf:" in done.stdout
    assert command(server.conf_file, "stop").returncode == 0
    assert server.log.endswith(" stopped\n")
    assert server.wait_exit() == 0


def test_the_control_socket_is_found_where_it_was(daemon: Start, tmp_path: Path) -> None:
    server = daemon(HELLO, {"pid_file": "pid", "control": "old"})
    configure(server, control="new")
    done = command(server.conf_file, "reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "generation 2 serves\n", "")
    assert (tmp_path / "new").exists()
    assert not (tmp_path / "old").exists()
    server.settle()


def test_a_status_address_in_use_fails_the_reload(daemon: Start) -> None:
    server = daemon(HELLO, {"control": "control"}, errors=True)
    with socket.create_server(("127.0.0.1", 0)) as other:
        configure(server, status={"listen": f"127.0.0.1:{other.getsockname()[1]}"})
        done = command(server.conf_file, "reload")
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "generation 1 serves on: " in server.log
    configure(server, status={"listen": f"127.0.0.1:{free_port()}"})
    assert command(server.conf_file, "reload").returncode == 0
    server.settle()
    server.new_fds = 1


def test_a_stopped_master_is_told_from_a_busy_one(daemon: Start) -> None:
    server = daemon(HELLO, {"control": "control"})
    server.process.send_signal(signal.SIGSTOP)
    try:
        done = command(server.conf_file, "status")
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert done.returncode == 1
    assert f"(process {server.pid}) has not answered within 5 s" in done.stderr


def test_too_many_who_ask(daemon: Start, tmp_path: Path) -> None:
    server = daemon(HELLO, {"control": "control"})
    # Who asks nothing is soon turned away; these wait for a reload that ends when it may.
    held = f"import os, time\nwhile os.path.exists({str(tmp_path / 'held')!r}):\n    time.sleep(0.05)\n"
    (tmp_path / "main.py").write_text(held + HELLO)
    (tmp_path / "held").touch()
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(32)]
        for client in waiting:
            client.settimeout(60)
            client.connect(str(tmp_path / "control"))
            client.sendall(b"reload\n")
            assert client.recv(1) == b"."
        done = command(server.conf_file, "reload")
        assert done.returncode == 1
        assert "too many clients are connected to the control socket" in done.stderr
        (tmp_path / "held").unlink()
        for client in waiting:
            answer = b""
            while piece := client.recv(65536):
                answer += piece
            assert answer in (b"0generation 2 serves\n", b"0generation 3 serves\n")
    server.settle()
