"""pytest's side of a run: passes over excluded tests, and writes each result as a line of JSON.

SUITE_RESULTS names the file.  It outlives the process: tests that stand in it are not run again,
so that after a crash a new process goes on behind the test that crashed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from suite_lists import covers, entries

RESULTS = Path(os.environ["SUITE_RESULTS"])


def write(**record: str) -> None:
    with RESULTS.open("a") as file:
        file.write(json.dumps(record) + "\n")


def why(report: pytest.TestReport | pytest.CollectReport) -> str:
    """One line that says what went wrong."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash:
        return str(crash.message).strip().partition("\n")[0][:200]
    return str(report.longrepr).strip().rpartition("\n")[2].removeprefix("E ").strip()[:200]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    left_out = set() if os.environ.get("SUITE_ALL") else set(entries("excluded.txt"))
    begun = {json.loads(line).get("test") for line in RESULTS.read_text().splitlines()}
    items[:] = [item for item in items if item.nodeid not in begun and not covers(left_out, item.nodeid)]


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        write(file=report.nodeid.partition("::")[0], reason=why(report))


def pytest_runtest_logstart(nodeid: str) -> None:
    write(test=nodeid, outcome="died", reason="the process ended in this test")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        write(test=report.nodeid, outcome="failed", reason=why(report))
    elif report.when == "call" or report.skipped:
        skipped = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
        reason = skipped.removeprefix("Skipped: ")
        write(test=report.nodeid, outcome="xfailed" if hasattr(report, "wasxfail") else report.outcome, reason=reason)


def pytest_sessionfinish() -> None:
    extension = sys.modules.get("fastrapi._fastrapid")
    write(end="", plans=str(extension.plans_executed() if extension else 0))
