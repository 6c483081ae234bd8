"""The applications of FastAPI's tutorials: the same OpenAPI documents, and plans for their routes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import BUILD, Prepared

DAEMON = Path(os.environ.get("FASTRAPID", BUILD / "venv/bin/fastrapid"))


@pytest.fixture(scope="module")
def ours(prepared: Prepared) -> dict[str, Any]:
    return dict(json.loads(prepared.run("tutorials.py")))


def routes_of(ours: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Application, kind, and method and path of each route."""
    return [(name, kind, route) for name, found in ours.items() for kind, route in found.get("routes", [])]


def test_the_same_documents(prepared: Prepared, ours: dict[str, Any]) -> None:
    theirs: dict[str, Any] = json.loads(prepared.run("tutorials.py", peer=True))
    assert sum("document" in found for found in theirs.values()) > 330
    assert {name: found.get("error") for name, found in ours.items()} == {
        name: found.get("error") for name, found in theirs.items()
    }
    assert [name for name, found in theirs.items() if ours[name].get("document") != found.get("document")] == []


def test_most_routes_have_plans(ours: dict[str, Any]) -> None:
    routes = routes_of(ours)
    others = [(name, route) for name, kind, route in routes if kind != "plan"]
    assert len(routes) > 400
    assert len(others) <= len(routes) * 0.05, f"{len(routes)} routes, without a plan: {others}"


@pytest.mark.parametrize("module", ["path_params.tutorial001", "dependencies.tutorial008b", "custom_request_and_route.tutorial003"])
def test_explain_says_the_same(prepared: Prepared, ours: dict[str, Any], module: str) -> None:
    name = f"docs_src.{module}:app"
    for kind, route in ours[name]["routes"]:
        done = subprocess.run(
            [DAEMON, "--serve-fastapi-imports", "--app", name, "--explain", re.sub("{.*}", "1", route)],
            cwd=prepared.sources / "tutorials",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (" respond with " in done.stdout) == (kind == "plan"), done.stdout + done.stderr
        assert done.returncode == (kind != "plan"), done.stdout + done.stderr
