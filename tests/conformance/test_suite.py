"""The harness itself: what becomes of tests that pass, fail, hang in the import or end the process."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

import suite
from conftest import Prepared
from suite_lists import Topics, covers
from suite_run import Results, Runner

FILES = {
    "pyproject.toml": "[tool.pytest]\nminversion = '9.0'\n",
    "tests/test_mixed.py": """
import os
import fastapi
import fastapi.routing
import fastrapi.routing

def test_alias():
    assert fastapi.routing is fastrapi.routing

def test_wrong():
    assert 1 == 2

def test_end():
    os._exit(3)

def test_behind():
    pass
""",
    "tests/test_broken.py": "import no_such_module\n",
    "tests/test_fatal.py": "import os\nos._exit(4)\n",
    "tests/test_fine.py": "def test_fine():\n    pass\n",
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "sources.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in FILES.items():
            member = tarfile.TarInfo(f"sources/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def test_each_ending(prepared: Prepared, archive: Path, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        results = Runner(prepared.python, archive, log).run([name for name in FILES if name.startswith("tests/")], 1)
    outcomes = {test: outcome for test, (outcome, _) in results.tests.items()}
    assert outcomes == {
        "tests/test_mixed.py::test_alias": "passed",
        "tests/test_mixed.py::test_wrong": "failed",
        "tests/test_mixed.py::test_end": "died",
        "tests/test_mixed.py::test_behind": "passed",
        "tests/test_fine.py::test_fine": "passed",
    }
    assert results.tests["tests/test_mixed.py::test_wrong"][1] == "assert 1 == 2"
    assert "no_such_module" in results.broken["tests/test_broken.py"]
    assert "exit status 4" in results.broken["tests/test_fatal.py"]


def test_the_list_of_failing_only_shrinks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(suite, "entries", lambda name: ["tests/a.py::mended", "tests/a.py::known"])
    outcomes = {"good": "passed", "mended": "passed", "known": "failed", "new": "failed"}
    results = Results({f"tests/a.py::{name}": (outcome, "why") for name, outcome in outcomes.items()})
    tests = [f"tests/a.py::{name}" for name in [*outcomes, "gone"]]
    score = suite.Score(tests, results)
    score.show(False)
    assert capsys.readouterr().out.splitlines() == [
        "tests/a.py::gone: not run: ",
        "tests/a.py::new: failed: why",
        "tests/a.py::mended: passes; take it out of failing.txt",
        "1 passed, 3 failed, 1 known to fail",
    ]


def test_lists() -> None:
    listed = {"tests/folder/", "tests/file.py", "tests/a.py::test_one", "tests/a.py::test_two[x]"}
    for test in ("tests/folder/b.py::t", "tests/file.py::t[1]", "tests/a.py::test_one[y]", "tests/a.py::test_two[x]"):
        assert covers(listed, test)
    for test in ("tests/a.py::test_two[y]", "tests/a.py::test_three", "tests/file.pyx::t"):
        assert not covers(listed, test)
    assert Topics().of("tests/test_ws_router.py") == "websockets"
    assert len(suite.expected("")) > 4000
