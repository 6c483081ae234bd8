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
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

import suite_source
from suite_lists import ASKS_NOBODY, HERE, NOT_IN_A_MODULE, Topics, covers, entries, file_of
from suite_run import Results, Runner

TUTORIALS = "(of these: of the tutorials)"
# So many tests ask a daemon, of all and of socket.txt; with fewer, the client has ceased to ask.
LEAST = 2300
LEAST_OF_PART = 1200


def expected(text: str, chosen: Collection[str] | None = None) -> list[str]:
    """The tests that count: those that FastAPI passes, less the excluded, perhaps only the chosen ones."""
    left_out = set(entries("excluded.txt"))
    tests = (HERE / "expected.txt").read_text().splitlines()
    if chosen is not None:
        tests = [test for test in tests if covers(chosen, test)]
    return [test for test in tests if text in file_of(test) and not covers(left_out, test)]


class Score:
    """What a run came to, beside what is known to fail."""

    def __init__(self, tests: Iterable[str], results: Results, listed: str = "failing.txt", least: int = 0) -> None:
        self.listed = listed
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}
        # Over a socket: tests that are none of those.
        self.none: dict[str, str] = {}
        for test in tests:
            outcome, reason = results.of(test)
            if outcome == "passed":
                self.passed.append(test)
            elif outcome == "skipped" and reason in (ASKS_NOBODY, NOT_IN_A_MODULE):
                self.none[test] = reason
            else:
                self.failed[test] = f"{outcome}: {reason}"
        known = set(entries(listed))
        self.known = sorted(test for test in self.failed if covers(known, test))
        self.new = sorted(set(self.failed) - set(self.known))
        self.stale = sorted([*(test for test in self.passed if covers(known, test)), *(known & set(self.none))])
        # How many fewer are left than there have to be.
        self.short = max(0, least - len(self.passed) - len(self.failed))

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
            print(f"{test}: {self.none.get(test, 'passes')}; take it out of {self.listed}")
        for reason, count in Counter(self.none.values()).items():
            print(f"{count} are none of these: {reason}")
        if self.short:
            print(f"{self.short} more tests than these have to ask a daemon")
        passed = len(set(self.passed) - set(self.stale))
        failed = len(self.new) + len(self.stale) + bool(self.short)
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
    parser.add_argument("--socket", type=Path, metavar="DAEMON", help="over a socket, served by the daemon")
    parser.add_argument("--part", action="store_true", help="only what is in socket.txt")
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
        tests = expected(args.k, entries("socket.txt") if args.part else None)
        if args.socket:
            failing = entries("failing.txt")
            tests = [test for test in tests if test not in failing]
        results = runner.run(sorted({file_of(test) for test in tests}), args.jobs)
    if args.socket:
        score = Score(tests, results, "socket-failing.txt", 0 if args.k else LEAST_OF_PART if args.part else LEAST)
    else:
        score = Score(tests, results)
    score.write(args.folder / f"{where}report.json", time.monotonic() - start)
    if not args.socket:
        print(f"{results.plans} requests were answered by plans")
    score.show(not args.quiet)
    return 1 if score.new or score.stale or score.short else 0


if __name__ == "__main__":
    sys.exit(main())
