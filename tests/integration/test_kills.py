"""`kill -9` of a worker of the demo, every second, under load: what is lost, and how soon another serves.

FASTRAPID_KILLS says how many (60 for a minute; by default 8).  The clients tell by the kernel's answer
whether the worker had taken a request in: a process that dies with bytes unread resets the
connection, one that has read them all ends it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import termios
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from harness import SANITIZED, TOP, Daemon, wait
from load import Load

KILLS = int(os.environ.get("FASTRAPID_KILLS", "8"))
TOKEN = {"Authorization": "Bearer demo-token"}
TOOK = re.compile(r"worker \d+ \(pid (\d+)\) took a request with it: (GET \S+), request (\d+), begun ")
AT = re.compile(r"worker \d+ \(pid (\d+)\) was at the connection from 127\.0\.0\.1:(\d+)$", re.MULTILINE)
ENDED = r"^(\S+) error \[\d+\] worker (\d+) \(pid %d\) was ended by signal 9 \(Killed\); it is started again$"
READY = r"^(\S+) info \[\d+\] worker %s \(pid (\d+)\) is ready$"


@dataclass
class Failure:
    begun: float  # its request
    time: float
    route: str
    port: int  # the client's
    taken: bool  # the worker had read it
    what: str


@dataclass
class Kill:
    victim: int
    begun: float
    ended: float  # as the master has seen it, to the millisecond
    took: float  # from its death until the replacement was ready, as the master has seen it
    waited: float  # for a processor, of that: others had the machine

    def explains(self, failure: Failure) -> bool:
        """It was under way when the worker died, and has failed since."""
        return failure.begun < self.ended + 0.001 and failure.time >= self.begun


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
        self.turns: dict[threading.Thread, float] = {}  # when each began the last request that has ended

    def run(self, keep: bool) -> None:
        connection: socket.socket | None = None
        turn = port = 0
        while not self.ended.is_set():
            route = self.routes[turn % len(self.routes)]
            turn += 1
            begun = time.time()
            if connection and select.select([connection], [], [], 0)[0]:
                connection.close()
                connection = None
            start = time.monotonic()
            try:
                connection = connection or socket.create_connection(self.address, 60)
                port = connection.getsockname()[1]
                lives = self.ask(connection, keep, route)
                self.latencies.append(time.monotonic() - start)
            except ConnectionRefusedError as error:
                self.unexpected.append(f"{route}: {error!r}")
                lives = False
            except (ConnectionError, EOFError) as error:
                assert connection
                taken = isinstance(error, EOFError) and not unacknowledged(connection)
                self.lost.append(Failure(begun, time.time(), f"GET {route}", port, taken, repr(error)))
                lives = False
            except (OSError, Unexpected) as error:
                self.unexpected.append(f"{route}: {error!r}")
                lives = False
            if not lives and connection:
                connection.close()
                connection = None
            self.turns[threading.current_thread()] = begun
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


def unacknowledged(connection: socket.socket) -> int:
    """Bytes that have not reached the other side, as far as is known here."""
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def at(stamp: str) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def waited(pid: int) -> float:
    """Seconds for which a process that could run had no processor."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0


def end_of(pid: int) -> float:
    """Kills it; when it has ended.  A stall of ours makes that later, and nothing after it longer."""
    process = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        assert select.select([process], [], [], 60)[0]
        return time.time()
    finally:
        os.close(process)


def kill(server: Daemon, spare: int, clients: Clients) -> Kill:
    """Kills a worker; returns when another serves, and no request is left that the dead one can have had."""
    victim = server.workers()[0]  # the oldest: each in turn
    before = waited(server.pid) + waited(spare)
    begun = time.time()
    dead = end_of(victim)
    kills: list[Kill] = []

    def replaced() -> bool:
        log = server.log
        ended = re.search(ENDED % victim, log, re.MULTILINE)
        ready = ended and re.compile(READY % ended[2], re.MULTILINE).search(log, ended.end())
        if ended and ready:
            waits = waited(server.pid) + waited(spare) + waited(int(ready[2])) - before
            kills.append(Kill(victim, begun, at(ended[1]), max(0, at(ready[1]) - dead), max(0, waits)))
        return bool(kills)

    wait(replaced, lambda: f"{victim} is replaced\n{server.log}")
    wait(lambda: all(turn > kills[0].ended + 0.001 for turn in list(clients.turns.values())), "every client goes on")
    return kills[0]


def test_kill_every_second(daemon: Callable[..., Daemon], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_DB", str(tmp_path / "notes.sqlite3"))
    server = daemon("", {"app_dir": str(TOP / "contrib/example"), "workers": 2}, errors=True)
    created = server.request("POST", "/notes", '{"title": "Milk"}', {**TOKEN, "Content-Type": "application/json"})
    assert created[0] == 201, created
    spare = server.wait_spare()
    kills: list[Kill] = []
    memory: list[int] = []
    with Clients(server.port, 20, 20, json.loads(created[2])["id"]) as clients:
        wait(lambda: len(clients.turns) == 40, "every client goes")
        time.sleep(0.5)
        for _ in range(KILLS):
            start = time.monotonic()
            memory.append(resident(server.pid))
            kills.append(kill(server, spare, clients))
            time.sleep(max(0, 1 - (time.monotonic() - start)))
    memory.append(resident(server.pid))
    log = server.log
    named = {kill.victim: Counter[str]() for kill in kills}
    numbers: set[tuple[str, str]] = set()
    for pid, route, number in TOOK.findall(log):
        assert (pid, number) not in numbers
        numbers.add((pid, number))
        named[int(pid)][route] += 1

    # Each failure is that of one kill, and of a request that the log names.
    assert not clients.unexpected, clients.unexpected[:5]
    failed = {kill.victim: list[Failure]() for kill in kills}
    turns = {int(pid): int(port) for pid, port in AT.findall(log)}
    for failure in clients.lost:
        by = [kill.victim for kill in kills if kill.explains(failure)]
        assert len(by) == 1, (failure, kills)
        if failure.taken:
            failed[by[0]].append(failure)
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

    took = sorted(kill.took for kill in kills)
    own = sorted(kill.took - kill.waited for kill in kills)
    taken = sum(f.taken for f in clients.lost)
    print(
        f"{KILLS} kills, {by_client} lost requests named by their client alone, {len(clients.latencies)} answers, {len(clients.latencies) / clients.seconds:.0f}/s; lost {taken} requests that a worker had read, "
        f"{len(clients.lost) - taken} that none had; {sum(c.total() for c in named.values())} named in the log; "
        f"a replacement was ready after {took[0] * 1e3:.0f} to {took[-1] * 1e3:.0f} ms, "
        f"median {took[len(took) // 2] * 1e3:.0f} ms, "
        f"less what it waited for a processor {own[0] * 1e3:.0f} to {own[-1] * 1e3:.0f} ms; the master's memory {memory[min(3, KILLS)]} to {memory[-1]} kB"
    )
    assert took[-1] < 0.5, kills
    assert SANITIZED or memory[-1] <= memory[min(3, KILLS)] + 256, memory
    server.settle(2)
