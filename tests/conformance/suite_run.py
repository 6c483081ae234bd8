"""Runs test files in several pytest processes, and goes on where one dies."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import suite_source
from suite_lists import HERE, file_of

CHUNKS_PER_JOB = 4
# The suite's own limit of 20 s a test is a signal handler of Python's.  C code that never returns
# to the interpreter needs the end of the process.
HANGS_AFTER = 30
# Over a socket a server starts within a test.
SOCKET = ["-p", "suite_socket", "-o", "timeout=200", "-o", "faulthandler_timeout=210"]
PYTEST = [
    *["-m", "pytest", "-q", "--tb=short", "--inline-snapshot=disable", "--continue-on-collection-errors"],
    *["-p", "suite_plugin", "-p", "no:cacheprovider"],
    *["-o", f"faulthandler_timeout={HANGS_AFTER}", "-o", "faulthandler_exit_on_timeout=true"],
]


@dataclass
class Results:
    """Outcome and reason of each test, and the reason for each file that could not be imported."""

    tests: dict[str, tuple[str, str]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    # How many requests were answered by plans, in processes that came to their end.
    plans: int = 0

    def add(self, record: dict[str, str]) -> None:
        self.plans += int(record.get("plans", 0))
        if "file" in record:
            self.broken[record["file"]] = record["reason"]
        elif "test" in record and self.tests.get(record["test"], ("",))[0] != "failed":
            self.tests[record["test"]] = record["outcome"], record["reason"]

    def update(self, other: Results) -> None:
        self.tests |= other.tests
        self.broken |= other.broken
        self.plans += other.plans

    def of(self, test: str) -> tuple[str, str]:
        return self.tests.get(test, ("not run", self.broken.get(file_of(test), "")))


@dataclass
class Runner:
    python: Path
    archive: Path
    log: BinaryIO
    # Where the real FastAPI is, if that is to be run.
    real: Path | None = None
    # The daemon that serves the applications, if they are to be asked over a socket.
    daemon: Path | None = None

    def __post_init__(self) -> None:
        self._writing = threading.Lock()

    def run(self, files: Sequence[str], jobs: int) -> Results:
        count = min(jobs * CHUNKS_PER_JOB, len(files))
        results = Results()
        with ThreadPoolExecutor(jobs) as pool:
            for part in pool.map(self._chunk, (files[i::count] for i in range(count))):
                results.update(part)
        return results

    def _chunk(self, files: Sequence[str]) -> Results:
        """In a copy of the sources: some tests write to the current folder."""
        results = Results()
        with tempfile.TemporaryDirectory(prefix="fastapi-suite-") as name:
            folder = Path(name)
            suite_source.unpack(self.archive, folder, suite_source.for_tests)
            file = folder / "results.jsonl"
            file.touch()
            before = -1
            while True:
                code = self._pytest(files, folder, file)
                records = [json.loads(line) for line in file.read_text().splitlines()]
                if records and "end" in records[-1]:
                    for record in records:
                        results.add(record)
                    return results
                if len(records) == before:  # it ends before the first test: which file's import does that?
                    break
                before = len(records)
        if len(files) == 1:
            results.broken[files[0]] = f"its import ends the process: exit status {code}"
        else:
            for one in files:
                results.update(self._chunk([one]))
        return results

    def _pytest(self, files: Sequence[str], folder: Path, results: Path) -> int:
        path = [str(self.real or HERE / "alias"), str(HERE), os.environ.get("PYTHONPATH", "")]
        env = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "SUITE_RESULTS": str(results),
            "SUITE_ALL": "1" if self.real else "",
            "SUITE_DAEMON": str(self.daemon or ""),
        }
        if "ASAN_OPTIONS" in env:  # what an interpreter leaves at its end counts as a leak, and changes its exit code
            env["ASAN_OPTIONS"] += ":detect_leaks=0"
        done = subprocess.run(
            [self.python, *PYTEST, *(SOCKET if self.daemon else []), *files],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with self._writing:
            self.log.write(done.stdout)
        return done.returncode
