"""Hostile, broken, slow and unusual bytes: each case with one worker and with four.

The cases of one number of workers run together, some at a time, when the first of them is asked for.
"""

from __future__ import annotations

import asyncio

import pytest

from abuse import PROCESS, run_all
from abuse_cases import CASES, Case, build
from abuse_target import SANITIZED, Target

WORKERS = (1, 4)
# The daemon's time limits are far above what a case may take, so that none passes by waiting; but for
# those cases that are about them.
TIMEOUTS = {False: "600s", True: "5s"}
SLOW = 8.0

build(SLOW)
END = "process: ends well, without a report"


def name_of(case: Case) -> str:
    return f"{case.topic}: {case.name}"


NAMES = [name_of(case) for case in CASES] + [f"process: {name}" for name in PROCESS] + [END]


class Runs:
    """What each case that was selected found, None if all was well."""

    def __init__(self, selected: dict[int, set[str]], factory: pytest.TempPathFactory) -> None:
        self.selected = selected
        self.factory = factory
        self.found: dict[int, dict[str, str | None]] = {}

    def __getitem__(self, workers: int) -> dict[str, str | None]:
        if workers not in self.found:
            self.found[workers] = {}
            ends = [self.run(workers, about_time) for about_time in TIMEOUTS]
            self.found[workers][END] = "\n".join(filter(None, ends)) or None
        return self.found[workers]

    def run(self, workers: int, about_time: bool) -> str:
        """Against a daemon of its own; what was wrong with its end."""
        cases = [case for case in CASES if name_of(case) in self.selected[workers]]
        cases = [case for case in cases if (case.topic == "timeouts") == about_time]
        if about_time and not cases:
            return ""
        target = Target(self.factory.mktemp(f"abuse{workers}-"), "abuse_app", workers, TIMEOUTS[about_time])
        try:
            target.wait_ready()
            pid = None if about_time else target.process.pid
            results = asyncio.run(run_all(cases, "127.0.0.1", target.port, pid, rss=not SANITIZED))
            self.found[workers] |= {name_of(case): why for case, why in results}
        finally:
            code = target.stop()
        bad = target.reports()
        return f"exit code {code}, {bad}:\n{target.log}" if code or bad else ""


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    selected: dict[int, set[str]] = {workers: set() for workers in WORKERS}
    for item in request.session.items:
        if getattr(item, "function", None) is test_case:
            selected[item.callspec.params["workers"]].add(item.callspec.params["name"])
    return Runs(selected, tmp_path_factory)


# One run takes half a minute, on a sanitizer's build several.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("name", NAMES)
def test_case(runs: Runs, workers: int, name: str) -> None:
    found = runs[workers]
    assert name in found, "it did not run: the daemon did not come up"
    why = found[name]
    assert why is None, f"{name}: {why}"
