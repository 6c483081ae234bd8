"""The daemon as a fixture, and what every test must leave behind: nothing.

    def test_it(daemon):
        server = daemon(SOURCE, {"workers": 2})
        assert server.json("/") == {"hello": "world"}

`daemon(source, conf)` writes the application and a configuration into the test's folder, starts
fastrapid on a free port and waits until it is ready.  After the test, while the daemon still runs,
no process may hold more descriptors than when it was ready; then the daemon is ended by SIGTERM
with exit code 0, no process that it started may be left, and the log holds no error and no
sanitizer's report.  `errors=True` allows errors in the log, `new_fds=N` that many descriptors.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import FASTRAPID, HELLO, REPORTS, Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    started: list[Daemon] = []

    def start(
        source: str = HELLO,
        conf: Mapping[str, Any] | None = None,
        *,
        args: Sequence[str] = (),
        ready: bool = True,
        errors: bool = False,
        new_fds: int = 0,
        folder: Path | None = None,
    ) -> Daemon:
        if folder is None:
            folder = tmp_path if not started else tmp_path / f"daemon{len(started)}"
        folder.mkdir(exist_ok=True)
        (folder / "main.py").write_text(source)
        server = Daemon(folder, conf or {}, args, errors=errors, new_fds=new_fds)
        started.append(server)
        if ready:
            server.wait_ready()
        return server

    try:
        yield start
        for server in started:
            server.finish()
    finally:
        for server in started:
            server.kill()


@pytest.fixture
def fastrapid(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the daemon's program to its end, in the test's folder."""

    def run(*args: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [FASTRAPID, *args],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        for report in REPORTS:
            assert report not in done.stderr, done.stderr
        return done

    return run
