"""Names, parameters and defaults of the public package are FastAPI's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from servers import HERE, environment, peer_python

SCRIPT = HERE / "peer/signatures.py"


def dump(python: str | Path, package: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), "-W", "ignore", "-P", str(SCRIPT), package], capture_output=True, text=True, env=environment(), timeout=60
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def signatures() -> tuple[dict[str, Any], dict[str, Any]]:
    return dump(peer_python(), "fastapi"), dump(sys.executable, "fastrapi")


def test_the_same_names(signatures: tuple[dict[str, Any], dict[str, Any]]) -> None:
    peer, ours = signatures
    assert len(peer) > 50
    assert sorted(ours) == sorted(peer)


@pytest.mark.parametrize("part", ["FastAPI", ".", "param_functions", "params", "routing", "responses", "requests", "security", "encoders", "exceptions", "exception_handlers", "datastructures", "background"])
def test_the_same_signatures(part: str, signatures: tuple[dict[str, Any], dict[str, Any]]) -> None:
    peer, ours = signatures
    names = [name for name in peer if name.startswith(part if part == "." else part + ".")]
    assert names
    assert {name: ours.get(name) for name in names} == {name: peer[name] for name in names}
