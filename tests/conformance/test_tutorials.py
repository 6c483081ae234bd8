"""The applications of FastAPI's tutorials: the same OpenAPI documents, and plans for their routes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from prepared import DAEMON, Prepared


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


def explained(prepared: Prepared, name: str, route: str) -> str:
    """What `fastrapid --explain` makes of a request that the route answers: its kind, as the manifest has it."""
    methods, _, path = route.partition(" ")
    asked = f"{methods.partition(',')[0].replace('*', 'GET')} {re.sub('{[^}]*}', '1', path)}"
    done = subprocess.run(
        [DAEMON, "-c", prepared.sources / "conf", "--python", prepared.python, "--serve-fastapi-imports", "--app", name, "--explain", asked],
        cwd=prepared.sources / "tutorials",
        env={**os.environ, "ADMIN_EMAIL": "admin@example.com", "FASTAPI_OTEL_AUTO_CONFIGURE": "false"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = re.search(r"^route \d+: (.*)$", done.stdout, re.MULTILINE)
    if said is None or said[1] != route.replace("* ", "any method "):
        return f"another route: {done.stdout}{done.stderr}"
    if " respond with " in done.stdout and done.returncode == 0:
        return "plan"
    return "asgi" if "\n  through ASGI: " in done.stdout else f"neither: {done.stdout}{done.stderr}"


def test_explain_says_the_same(prepared: Prepared, ours: dict[str, Any]) -> None:
    """Of each folder the first application, and each that has a route without a plan; FASTRAPI_EXPLAIN=all for all."""
    folders: dict[str, str] = {}
    for name, _, _ in routes_of(ours):
        folders.setdefault(name.split(".")[1], name)
    chosen = {*folders.values(), *(name for name, kind, _ in routes_of(ours) if kind != "plan")}
    everything = os.environ.get("FASTRAPI_EXPLAIN") == "all"
    # Loading may take long on a machine that has much else to do.
    (prepared.sources / "conf").write_text('{"app_dir": "tutorials", "timeouts": {"start": "280s"}}')
    routes = [one for one in routes_of(ours) if everything or one[0] in chosen]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        kinds = list(pool.map(lambda one: explained(prepared, one[0], one[2]), routes))
    assert len(routes) > (400 if everything else 80)
    assert [(*one, kind) for one, kind in zip(routes, kinds, strict=True) if kind != one[1]] == []
    if everything:
        plans = kinds.count("plan")
        print(f"{plans} of {len(routes)} routes have plans: {100 * plans / len(routes):.1f} %")
        assert plans >= 0.95 * len(routes)
