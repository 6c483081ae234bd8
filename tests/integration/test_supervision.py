"""Workers that die, stop or loop; a master that dies; a system that has run out of things."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import HELLO, descriptors, is_free, last_seen, read_head, wait
from load import Load

Start = Callable[..., Any]
PID = HELLO + "\nimport os\n\n@app.get('/pid')\nasync def pid():\n    return os.getpid()\n"
STUCK = PID + "\nimport time\n\n@app.get('/stuck')\nasync def stuck():\n    time.sleep(600)\n"


def forget(server: Any) -> None:
    """Other workers than at the start: compare from here on."""
    server.before = {pid: descriptors(pid) for pid in [server.pid, *server.workers()]}


def test_killed_every_second(daemon: Start) -> None:
    server = daemon(PID, {"workers": 2, "timeouts": {"idle": 60, "header": 60}}, errors=True)
    kills = 8
    with Load(server.port, 5, 5) as load:
        for i in range(kills):
            time.sleep(1)
            os.kill(server.workers()[i % 2], signal.SIGKILL)
            # While it comes, another one could not be told from it.
            wait(lambda n=i: server.log.count(") is ready\n") == n + 1, lambda: f"it is back\n{server.log}")
    # What was in flight on the worker, or waited on a connection of its own.
    assert len(load.failures) <= kills * 10, load.failures[:5]
    assert server.log.count("was ended by signal 9 (Killed); it is started again") == kills
    assert server.json("/") == {"hello": "world"}
    wait(lambda: len(server.workers()) == 2, "both are back")
    forget(server)


def test_a_replacement_serves_soon(daemon: Start) -> None:
    server = daemon(PID, {"workers": 1}, errors=True)
    server.wait_spare()
    took = []
    for _ in range(5):
        time.sleep(0.4)
        before = server.json("/pid")
        os.kill(before, signal.SIGKILL)
        start = time.monotonic()
        with server.connect() as connection:  # it waits in the queue: nothing is refused
            connection.sendall(b"GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b" 200 OK" in read_head(connection)
        took.append(time.monotonic() - start)
    assert min(took) < 2, took
    print("a replacement served after", [round(t, 3) for t in took])
    forget(server)


def test_a_crash_loop_is_slowed_down_and_stops_nobody(daemon: Start, tmp_path: Path) -> None:
    source = PID + f"\nif os.path.exists({str(tmp_path / 'bad')!r}):\n    os._exit(5)\n"
    server = daemon(source, {"workers": 2, "spare": False}, errors=True)
    (tmp_path / "bad").touch()
    victim, other = server.workers()
    time.sleep(0.3)
    os.kill(victim, signal.SIGSEGV)
    server.wait_log("it is started again in 0.4 s")
    assert re.search(r"was ended by signal 11 \(Segmentation fault\)(, core dumped)?; it is started again", server.log)
    assert "exited with code 5; it is started again in 0.1 s" in server.log
    assert server.json("/pid") == other
    (tmp_path / "bad").unlink()
    server.wait_log(") is ready")
    forget(server)


@pytest.mark.parametrize("stuck", [False, True])
def test_workers_end_with_the_master(daemon: Start, stuck: bool) -> None:
    server = daemon(STUCK, {"workers": 2})
    with server.connect() as idle, server.connect() as busy:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        idle.recv(65536)
        if stuck:
            busy.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.2)
        server.process.kill()
        server.process.wait()
        # A process that ends gives up its memory, and with it what `left` knows it by, before its descriptors.
        assert last_seen(lambda: server.left() or not is_free(server.port)) < 3, "workers outlive the master"


@pytest.mark.parametrize("how", ["stop", "reload"])
def test_a_stopped_worker_is_killed_after_the_drain(daemon: Start, how: str) -> None:
    server = daemon(PID, {"workers": 2, "timeouts": {"drain": 0.2, "idle": 0.2}})
    first = server.workers()[0]
    os.kill(first, signal.SIGSTOP)
    if how == "stop":
        assert server.stop() == 0
    else:
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("generation 2\n")
        assert server.json("/") == {"hello": "world"}
        wait(lambda: len(server.workers()) == 2, "the stopped worker is gone")
        forget(server)
    assert f"(pid {first}) did not end in time: killed" in server.log


def test_a_hangup_to_all_processes_reloads_once(daemon: Start) -> None:
    server = daemon(PID, {"workers": 2})
    for pid in server.workers():
        os.kill(pid, signal.SIGHUP)
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("generation 2\n")
    wait(lambda: len(server.workers()) == 2, "two workers")
    assert "started again" not in server.log
    forget(server)


def test_a_stale_pid_file_and_socket(daemon: Start, tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("999999\n")
    for name in ("pid.sock", "sock"):
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(tmp_path / name))
        stale.close()
    server = daemon(PID, {"pid_file": "pid", "listen": ["unix:sock"]})
    assert (tmp_path / "pid").read_text() == f"{server.pid}\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / "sock"))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"".join(iter(lambda: connection.recv(65536), b"")).endswith(b'{"hello":"world"}')


def test_a_full_disk_for_the_log(daemon: Start) -> None:
    server = daemon(PID, {"log": {"file": "/dev/full"}, "workers": 1}, ready=False)
    wait(lambda: answers(server), "it serves")
    os.kill(server.json("/pid"), signal.SIGKILL)
    wait(lambda: answers(server), "it serves")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert server.json("/") == {"hello": "world"}


def answers(server: Any) -> bool:
    try:
        return bool(server.get("/", 15)[0] == 200)
    except OSError:
        return False


def test_the_master_without_descriptors(daemon: Start, tmp_path: Path) -> None:
    server = daemon(PID, {"workers": 1, "control": "control"}, errors=True)
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    held = descriptors(server.pid)
    free = next(fd for fd in range(len(held) + 1) if str(fd) not in held)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (free, hard))
    before = cpu(server.pid)
    with socket.socket(socket.AF_UNIX) as waits:
        waits.connect(str(tmp_path / "control"))
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("reload failed, generation 1 serves on: ")
        time.sleep(1)
        assert cpu(server.pid) - before < 0.3, "it spins"
        assert server.json("/") == {"hello": "world"}
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
    server.process.send_signal(signal.SIGHUP)
    wait(lambda: server.log.count(" ready: ") == 2, "it reloads")
    wait(lambda: len(server.workers()) == 1, "one worker")
    forget(server)


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
