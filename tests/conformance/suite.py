"""Runs FastAPI's own tests against fastrapi, and says what passed.  See README.md."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import suite_source
from suite_lists import HERE, Topics, covers, entries, file_of
from suite_run import Results, Runner

TUTORIALS = "(of these: of the tutorials)"


def expected(text: str, over_socket: bool = False) -> list[str]:
    """The tests that count: those that FastAPI passes, less the excluded."""
    left_out = set(entries("excluded.txt"))
    tests = (HERE / "expected.txt").read_text().splitlines()
    if over_socket:
        chosen = {f"tests/test_tutorial/{folder}" for folder in entries("socket.txt")}
        tests = [test for test in tests if covers(chosen, test)]
    return [test for test in tests if text in file_of(test) and not covers(left_out, test)]


class Score:
    """What a run came to, beside what is known to fail."""

    def __init__(self, tests: Iterable[str], results: Results, listed: str = "failing.txt") -> None:
        self.listed = listed
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}
        for test in tests:
            outcome, reason = results.of(test)
            if outcome == "passed":
                self.passed.append(test)
            else:
                self.failed[test] = f"{outcome}: {reason}"
        known = set(entries(listed))
        self.known = sorted(known & set(self.failed))
        self.new = sorted(set(self.failed) - known)
        self.stale = sorted(known & set(self.passed))

    def topics(self) -> list[tuple[str, int, int]]:
        """Topic, passed, total."""
        topics = Topics()
        cells: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for tests, good in ((self.passed, 1), (list(self.failed), 0)):
            for test in tests:
                names = [topics.of(file_of(test))]
                names += [TUTORIALS] * test.startswith("tests/test_tutorial/")
                for name in names:
                    cells[name][0] += good
                    cells[name][1] += 1
        return [(name, good, total) for name, (good, total) in sorted(cells.items(), key=lambda c: (c[0] == TUTORIALS, c))]

    def show(self, detailed: bool) -> None:
        if detailed:
            for name, good, total in self.topics():
                print(f"{name:36}{good:5} / {total:5}{100 * good / total:8.1f} %")
        for test in self.new:
            print(f"{test}: {self.failed[test]}")
        for test in self.stale:
            print(f"{test}: passes; take it out of {self.listed}")
        passed, failed = len(self.passed) - len(self.stale), len(self.new) + len(self.stale)
        print(f"{passed} passed, {failed} failed" + (f", {len(self.known)} known to fail" if self.known else ""))

    def write(self, file: Path, seconds: float) -> None:
        report = {
            "fastapi": suite_source.VERSION,
            "python": sys.version.split()[0],
            "seconds": round(seconds, 1),
            "passed": len(self.passed),
            "total": len(self.passed) + len(self.failed),
            "topics": {name: [good, total] for name, good, total in self.topics()},
            "failed": self.failed,
            "new": self.new,
        }
        file.write_text(json.dumps(report, indent=1) + "\n")


def record(runner: Runner, jobs: int) -> int:
    """Write expected.txt: what the real FastAPI passes."""
    with tarfile.open(runner.archive) as tar:
        names = [name.partition("/")[2] for name in tar.getnames()]
    files = [name for name in sorted(names) if re.fullmatch(r"tests/(.+/)?test_[^/]+\.py", name)]
    with tempfile.TemporaryDirectory() as folder:
        suite_source.unpack(runner.archive, Path(folder), suite_source.framework)
        runner.real = Path(folder)
        results = runner.run([file for file in files if "benchmarks/" not in file], jobs)
    passed = sorted(test for test, (outcome, _) in results.tests.items() if outcome == "passed")
    (HERE / "expected.txt").write_text("\n".join(passed) + "\n")
    for test, (outcome, reason) in sorted(results.tests.items()):
        if outcome != "passed":
            print(f"{test}: {outcome} {reason}")
    for file, reason in sorted(results.broken.items()):
        print(f"{file}: {reason}")
    print(f"{len(passed)} passed")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what `prepare` made; gets the log, and report.json")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="pytest processes at a time (2)")
    parser.add_argument("-k", metavar="TEXT", default="", help="only the files with TEXT in their path")
    parser.add_argument("-q", "--quiet", action="store_true", help="no table of topics")
    parser.add_argument("--socket", type=Path, metavar="DAEMON", help="the tests of socket.txt, served by the daemon")
    parser.add_argument("--record", action="store_true", help="run the real FastAPI and write expected.txt")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    if importlib.util.find_spec("fastapi"):
        sys.exit(f"{sys.executable} has the package fastapi: it would be tested instead of fastrapi")
    if not args.record and not importlib.util.find_spec("fastrapi"):
        sys.exit(f"{sys.executable} has no package fastrapi")
    python = Path(sys.executable)
    archive = suite_source.fetch(python, args.folder)
    start = time.monotonic()
    where = "socket-" if args.socket else ""
    with (args.folder / f"{where}log").open("wb") as log:
        runner = Runner(python, archive, log, daemon=args.socket and args.socket.absolute())
        if args.record:
            return record(runner, args.jobs)
        tests = expected(args.k, bool(args.socket))
        results = runner.run(sorted({file_of(test) for test in tests}), args.jobs)
    score = Score(tests, results, "socket-failing.txt" if args.socket else "failing.txt")
    score.write(args.folder / f"{where}report.json", time.monotonic() - start)
    if not args.socket:
        print(f"{results.plans} requests were answered by plans")
    score.show(not args.quiet)
    return 1 if score.new or score.stale else 0


if __name__ == "__main__":
    sys.exit(main())
