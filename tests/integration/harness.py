"""A running fastrapid, and what it must leave behind at its end: nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
FASTRAPID = Path(os.environ.get("FASTRAPID", TOP / "_build/venv/bin/fastrapid"))
REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "Fatal Python error")
# Then a process's memory grows by the sanitizer's own notes of it; what leaks is reported at its end.
SANITIZED = bool({"ASAN_OPTIONS", "TSAN_OPTIONS"} & os.environ.keys())
MARK = "FASTRAPID_TEST_ID"
SPARE = "fastrapid-spare"
HELLO = """
from fastrapi import FastrAPI

app = FastrAPI()


@app.get("/")
async def root():
    return {"hello": "world"}
"""


HELD: deque[socket.socket] = deque()


def free_port() -> int:
    """A port that is free, and stays so until a server listens there.

    It is held by a socket that is bound and does not listen.  The kernel gives it to nobody who asks
    for any port, to listen or to connect; a server that asks for it gets it, since both say that the
    address may be used again.
    """
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    HELD.append(probe)
    if len(HELD) > 64:  # that server has long been there, or has gone
        HELD.popleft().close()
    return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def wait(condition: Callable[[], bool], what: str | Callable[[], str], timeout: float = 60) -> None:
    """Until it holds.  Each look begins within the time or is the last: a stall of our own loses nothing."""
    end = time.monotonic() + timeout
    while True:
        late = time.monotonic() > end
        if condition():
            return
        assert not late, what if isinstance(what, str) else what()
        time.sleep(0.01)


def last_seen(there: Callable[[], object], timeout: float = 60) -> float:
    """Seconds from now to the beginning of the last look that still found it: no stall of ours adds to them."""
    begin = time.monotonic()
    seen = 0.0
    while True:
        look = time.monotonic() - begin
        if not there() or seen > timeout:
            return seen
        seen = look
        time.sleep(0.01)


def read_head(connection: socket.socket) -> bytes:
    """An answer's head, and what came with it."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


def descriptors(pid: int) -> dict[str, str]:
    """What each descriptor of a process is."""
    found = {}
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found[entry.name] = str(entry.readlink())
    return found


def leads(pid: int) -> bool:
    """Whether it leads a process group."""
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


class Daemon:
    """A fastrapid on a port of its own.  It ends as well as it began: see finish()."""

    def __init__(
        self,
        folder: Path,
        conf: Mapping[str, Any],
        args: Sequence[str] = (),
        *,
        also_listen: Sequence[str] = (),
        errors: bool = False,
        new_fds: int = 0,
    ) -> None:
        self.folder = folder
        self.conf_file = folder / "fastrapi.conf"
        self.errors = errors
        self.new_fds = new_fds
        self.mark = uuid.uuid4().hex
        self.port = free_port()
        listen = [f"127.0.0.1:{self.port}", *also_listen]
        settings = {"app": "main:app", "listen": listen, "workers": 1, **conf}
        self.conf_file.write_text(json.dumps(settings))
        self.output = folder / "output"
        self.log_files = [self.output]
        if "file" in settings.get("log", {}):
            self.log_files.append(folder / settings["log"]["file"])
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [FASTRAPID, "-c", self.conf_file, *args],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, MARK: self.mark, "PYTHONDONTWRITEBYTECODE": "1"},
            )
        self.before: dict[int, dict[str, str]] = {}

    @property
    def log(self) -> str:
        return "".join(f.read_text(errors="replace") for f in self.log_files if f.is_file())  # /dev/full reads on for ever

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> dict[int, str]:
        """The master's children and their names."""
        found = {}
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                found[int(child)] = Path(f"/proc/{child}/comm").read_text().strip()
        return found

    def workers(self) -> list[int]:
        """Workers, and the loader: it was executed as /proc/self/exe."""
        return [pid for pid, name in self.children().items() if name.startswith("fastrapid-w") or name == "exe"]

    def spares(self) -> list[int]:
        return [pid for pid, name in self.children().items() if name == SPARE]

    def wait_spare(self, timeout: float = 60) -> int:
        """The spare of the generation that serves, when it stands by."""
        self.wait_log(" stands by", timeout)
        found: list[int] = []

        def one() -> bool:  # a worker that it has forked has its name for a moment
            found[:] = self.spares()
            return len(found) == 1

        wait(one, lambda: f"spares: {found}\n{self.log}", timeout)
        return found[0]

    def wait_log(self, text: str, timeout: float = 60) -> None:
        wait(lambda: text in self.log, lambda: f"the log has no {text!r}:\n{self.log}", timeout)

    def wait_ready(self, timeout: float = 120) -> None:
        def ready() -> bool:
            code = self.process.poll()
            assert code is None, f"it ended with {code}:\n{self.log}"
            return " ready: " in self.log

        wait(ready, lambda: f"it is not ready:\n{self.log}", timeout)
        self.before = {pid: descriptors(pid) for pid in [self.pid, *self.workers()]}

    def settle(self, workers: int = 1) -> None:
        """As many workers are there, and all of them ready: what is held from here on is compared with now."""

        def settled() -> bool:
            found, log = self.workers(), self.log
            ready = [re.search(rf"\[{pid}\] worker \d+ of generation \d+ is ready\n", log) for pid in found]
            return len(found) == workers and all(ready)

        wait(settled, lambda: f"workers: {self.workers()}\n{self.log}")
        self.before = {pid: descriptors(pid) for pid in [self.pid, *self.workers()]}

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 60)

    def request(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, and body, over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str, timeout: float = 60) -> tuple[int, dict[str, str], bytes]:
        return self.request("GET", path, timeout=timeout)

    def json(self, path: str, timeout: float = 60) -> Any:
        status, _, body = self.get(path, timeout)
        assert status == 200, (status, body, self.log)
        return json.loads(body)

    def wait_exit(self, timeout: float = 120) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end:\n{self.log}") from None

    def stop(self, signo: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signo)
        return self.wait_exit()

    def left(self) -> list[int]:
        """The processes that come from this daemon: they have its mark in their environment."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and self.mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    def more_descriptors(self) -> dict[int | str, list[str]]:
        """What those who were there when all was ready hold more now."""
        more: dict[int | str, list[str]] = {}
        if len(self.spares()) > 1:  # a generation that was replaced holds an image until its spare has ended
            more["spares"] = [str(pid) for pid in self.spares()]
        for pid, before in self.before.items():
            now = descriptors(pid)
            spare = pid == self.pid and bool(self.spares())  # it was started after all was ready
            if len(now) > len(before) + self.new_fds + spare:
                more[pid] = [what for fd, what in now.items() if before.get(fd) != what]
            if sum(what.startswith("/memfd:") for what in now.values()) > 1:
                more[pid] = list(now.values())
        return more

    def finish(self) -> None:
        """The checks after a test."""
        if self.process.poll() is None:  # closing may take a moment
            wait(lambda: not self.more_descriptors(), lambda: f"leaked descriptors: {self.more_descriptors()}", 30)
            assert self.stop() == 0, self.log
        # Workers and spares lead groups and have been waited for.  What else was in their groups was killed,
        # and that takes a moment.
        own = [pid for pid in self.left() if leads(pid)]
        assert not own, f"processes are left: {own}\n{self.log}"
        wait(lambda: not self.left(), lambda: f"processes are left: {self.left()}\n{self.log}", 10)
        for report in REPORTS:
            assert report not in self.log, self.log
        if not self.errors:
            assert " error [" not in self.log, self.log

    def kill(self) -> None:
        """Whatever the test has left; only what carries its mark."""
        for pid in self.left():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
