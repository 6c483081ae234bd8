"""`kill -9` of a worker of the demo, every second, under load: what is lost, and how soon another serves.

FASTRAPID_KILLS says how many (60 for a minute; by default 8).  The clients tell by the kernel's answer
whether the worker had taken a request in: a process that dies with bytes unread resets the
connection, one that has read them all ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from harness import SANITIZED, TOP, Daemon, descriptors
from load import Load

KILLS = int(os.environ.get("FASTRAPID_KILLS", "8"))
TOKEN = {"Authorization": "Bearer demo-token"}
TOOK = re.compile(r"worker \d+ \(pid (\d+)\) took a request with it: (GET \S+), request (\d+), begun ")
AT = re.compile(r"worker \d+ \(pid (\d+)\) was at the connection from 127\.0\.0\.1:(\d+)$", re.MULTILINE)
READY = re.compile(r"^(\S+) info \[\d+\] worker (\d+) \(pid (\d+)\) is ready$", re.MULTILINE)


@dataclass
class Failure:
    time: float
    route: str
    port: int  # the client's
    taken: bool  # the worker had read it
    what: str


class Unexpected(Exception):
    pass


class Clients(Load):
    """As Load, with a mix of routes; a keep-alive client sees before it sends that its connection has ended."""

    routes = ["/", "/notes", "/notes/{note_id}", "/users/me"]

    def __init__(self, port: int, keep: int, once: int, note: int) -> None:
        super().__init__(port, keep, once)
        self.note = str(note)
        self.lost: list[Failure] = []
        self.unexpected: list[str] = []

    def run(self, keep: bool) -> None:
        connection: socket.socket | None = None
        turn = port = 0
        while not self.ended.is_set():
            route = self.routes[turn % len(self.routes)]
            turn += 1
            if connection and select.select([connection], [], [], 0)[0]:
                connection.close()
                connection = None
            start = time.monotonic()
            try:
                connection = connection or socket.create_connection(self.address, 30)
                port = connection.getsockname()[1]
                lives = self.ask(connection, keep, route)
                self.latencies.append(time.monotonic() - start)
            except ConnectionRefusedError as error:
                self.unexpected.append(f"{route}: {error!r}")
                lives = False
            except (ConnectionError, EOFError) as error:
                assert connection
                taken = isinstance(error, EOFError) and not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self.lost.append(Failure(time.time(), f"GET {route}", port, taken, repr(error)))
                lives = False
            except (OSError, Unexpected) as error:
                self.unexpected.append(f"{route}: {error!r}")
                lives = False
            if not lives and connection:
                connection.close()
                connection = None
            time.sleep(self.pause)
        if connection:
            connection.close()

    def ask(self, connection: socket.socket, keep: bool, route: str) -> bool:
        path = route.replace("{note_id}", self.note)
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-token\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
        )
        received, length, body = b"", 0, b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                raise EOFError(f"end after {received!r}")
            received += piece
            head, end, body = received.partition(b"\r\n\r\n")
            if end:
                length = int(next(v for v in head.lower().split(b"\r\n") if v.startswith(b"content-length:"))[15:])
            if end and len(body) >= length:
                break
        if not head.startswith(b"HTTP/1.1 200 ") or len(body) != length:
            raise Unexpected(f"{head!r}: {body!r}")
        json.loads(body)
        return keep


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def wait(condition: Callable[[], bool], what: str, timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def ready_at(log: str) -> dict[int, float]:
    """When each worker became ready, as the master saw it."""
    return {
        int(pid): datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
        for stamp, _, pid in READY.findall(log)
    }


def test_kill_every_second(daemon: Callable[..., Daemon], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_DB", str(tmp_path / "notes.sqlite3"))
    server = daemon("", {"app_dir": str(TOP / "contrib/example"), "workers": 2}, errors=True)
    created = server.request("POST", "/notes", '{"title": "Milk"}', {**TOKEN, "Content-Type": "application/json"})
    assert created[0] == 201, created
    server.wait_spare()
    kills: list[tuple[float, int]] = []
    memory: list[int] = []
    with Clients(server.port, 20, 20, json.loads(created[2])["id"]) as clients:
        time.sleep(0.5)
        for _ in range(KILLS):
            start = time.monotonic()
            memory.append(resident(server.pid))
            victim = server.workers()[0]  # the oldest: each in turn
            kills.append((time.time(), victim))
            os.kill(victim, signal.SIGKILL)
            time.sleep(max(0, 1 - (time.monotonic() - start)))
    memory.append(resident(server.pid))
    log = server.log
    named = {victim: Counter[str]() for _, victim in kills}
    numbers: set[tuple[str, str]] = set()
    for pid, route, number in TOOK.findall(log):
        assert (pid, number) not in numbers
        numbers.add((pid, number))
        named[int(pid)][route] += 1

    # Each failure is that of one kill, and of a request that the log names.
    assert not clients.unexpected, clients.unexpected[:5]
    failed = {victim: list[Failure]() for _, victim in kills}
    turns = {int(pid): int(port) for pid, port in AT.findall(log)}
    for failure in clients.lost:
        at = [victim for t, victim in kills if t - 0.01 <= failure.time < t + 0.5]
        assert len(at) == 1, (failure, kills)
        if failure.taken:
            failed[at[0]].append(failure)
    # By its route, or, read and not yet taken apart, by its client.
    unnamed: list[Failure] = []
    by_client = 0
    for victim, failures in failed.items():
        missing = Counter(failure.route for failure in failures) - named[victim]
        if missing.total() == 1 and any(f.route in missing and f.port == turns.get(victim) for f in failures):
            by_client += 1
        elif missing:
            unnamed += [failure for failure in failures if failure.route in missing]
    assert not unnamed, (unnamed, named, turns)

    ready = sorted(ready_at(log).values())
    took = [next((t for t in ready if t > killed), float("inf")) - killed for killed, _ in kills]
    taken = sum(f.taken for f in clients.lost)
    print(
        f"{KILLS} kills, {by_client} lost requests named by their client alone, {len(clients.latencies)} answers, {len(clients.latencies) / clients.seconds:.0f}/s; lost {taken} requests that a worker had read, "
        f"{len(clients.lost) - taken} that none had; {sum(c.total() for c in named.values())} named in the log; "
        f"a replacement was ready after {min(took) * 1e3:.0f} to {max(took) * 1e3:.0f} ms, "
        f"median {sorted(took)[len(took) // 2] * 1e3:.0f} ms; the master's memory {memory[min(3, KILLS)]} to {memory[-1]} kB"
    )
    assert log.count("was ended by signal 9 (Killed); it is started again") == KILLS
    assert max(took) < 0.5, took
    assert SANITIZED or memory[-1] <= memory[min(3, KILLS)] + 256, memory
    wait(lambda: len(server.workers()) == 2, "both are back")
    with contextlib.suppress(OSError):
        server.before = {pid: descriptors(pid) for pid in [server.pid, *server.workers()]}
