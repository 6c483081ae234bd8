"""Where `make prepare-fastapi` put FastAPI's tests and tutorials, and what they need."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import suite_source
from suite_lists import HERE

BUILD = Path(os.environ.get("FASTRAPI_BUILD", HERE.parents[1] / "_build"))
DAEMON = Path(os.environ.get("FASTRAPID", BUILD / "venv/bin/fastrapid"))


@dataclass
class Prepared:
    python: Path
    archive: Path
    # FastAPI itself, its tutorials and tests, unpacked.
    sources: Path

    def run(self, script: str, *args: str, peer: bool = False, **environment: str) -> str:
        """What a script prints: under fastrapi, or with `peer` under FastAPI; in the same environment."""
        # With a sanitizer: what Python and other packages leave at the end of a script counts as a leak.
        sanitizer = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
        path = [self.sources / "peer" if peer else HERE / "alias", self.sources / "tutorials"]
        done = subprocess.run(
            [self.python, "-W", "ignore", "-P", HERE / "scripts" / script, *args],
            env={**os.environ, **sanitizer, "PYTHONPATH": os.pathsep.join(map(str, path)), **environment},
            cwd=self.sources / "tutorials",
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(autouse=True)
def interpreters_may_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sanitizer: what Python and other packages leave at the end of a script counts as a leak."""
    if "ASAN_OPTIONS" in os.environ:
        monkeypatch.setenv("ASAN_OPTIONS", os.environ["ASAN_OPTIONS"] + ":detect_leaks=0")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = BUILD / "obj/conformance"
    archive = folder / f"fastapi-{suite_source.VERSION}.tar.gz"
    done = Prepared(folder / "venv/bin/python", archive, tmp_path_factory.mktemp("fastapi"))
    if not (done.python.exists() and archive.exists()):
        pytest.fail(f"not prepared; run: make -C {BUILD}/obj prepare-fastapi", pytrace=False)
    suite_source.unpack(archive, done.sources / "peer", suite_source.framework)
    suite_source.unpack(archive, done.sources / "tutorials", suite_source.for_tests)
    return done
