"""Where `make prepare-fastapi` put FastAPI's tests and tutorials, and what they need."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

import suite_source
from suite_lists import HERE

BUILD = Path(os.environ.get("FASTRAPI_BUILD", HERE.parents[1] / "_build"))


@dataclass
class Prepared:
    python: Path
    archive: Path


@pytest.fixture(scope="session")
def prepared() -> Prepared:
    folder = BUILD / "obj/conformance"
    done = Prepared(folder / "venv/bin/python", folder / f"fastapi-{suite_source.VERSION}.tar.gz")
    if not (done.python.exists() and done.archive.exists()):
        pytest.fail(f"not prepared; run: make -C {BUILD}/obj prepare-fastapi", pytrace=False)
    return done
