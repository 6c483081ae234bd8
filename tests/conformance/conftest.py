"""What `make prepare-fastapi` made, unpacked once for all tests."""

from __future__ import annotations

import os

import pytest

import suite_source
from prepared import BUILD, Prepared


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
