"""An application written for FastAPI, served unchanged."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import FASTRAPID, Daemon, descriptors, wait

Run = Callable[..., subprocess.CompletedProcess[str]]

# Written for FastAPI: nothing here names FastrAPI.
SOURCE = """
from importlib.metadata import version
import fastapi
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
import plugin

app = FastAPI()
router = APIRouter()

@router.get("/{n}")
def item(n: int, page: int = Depends(plugin.page)):
    return {"n": n, "page": page}

app.include_router(router, prefix="/items")

@app.get("/about")
def about():
    return [type(app).__module__, fastapi.__version__, version("fastapi"), VALUE, isinstance(app.routes[-1], APIRoute)]

VALUE = 1
"""
PLUGIN = "from fastapi import Query\n\ndef page(page: int = Query(1, ge=1)) -> int:\n    return page\n"


@pytest.fixture
def real_is_installed(tmp_path: Path) -> None:
    """A package fastapi where the application would find it first; nobody may import it."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "fastapi").mkdir()
    (tmp_path / "fastapi/__init__.py").write_text("raise RuntimeError('the other fastapi was imported')\n")


def check(server: Daemon, value: int) -> None:
    assert server.json("/about") == ["fastrapi.applications", "0.165.0", "0.165.0", value, True]
    assert server.json("/items/3") == {"n": 3, "page": 1}
    status, _, body = server.get("/items/3?page=0")
    assert status == 422
    assert b"greater_than_equal" in body


def test_unmodified(daemon: Callable[..., Daemon], real_is_installed: None) -> None:
    server = daemon(SOURCE, {"serve_fastapi_imports": True, "workers": 2, "control": "control"})
    check(server, 1)
    # After a reload, the application is loaded in other processes.
    main = server.folder / "main.py"
    main.write_text(SOURCE.replace("VALUE = 1", "VALUE = 2"))
    done = subprocess.run([FASTRAPID, "-c", server.conf_file, "-s", "reload"], timeout=120, check=False)
    assert done.returncode == 0, server.log
    check(server, 2)
    wait(lambda: len(server.workers()) == 2, lambda: server.log)
    server.before = {pid: descriptors(pid) for pid in [server.pid, *server.workers()]}


def test_on_the_command_line(fastrapid: Run, tmp_path: Path, real_is_installed: None) -> None:
    (tmp_path / "main.py").write_text(SOURCE)
    done = fastrapid("-t", "--app", "main:app")
    assert done.returncode == 1
    assert "the other fastapi was imported" in done.stderr
    done = fastrapid("--serve-fastapi-imports", "--app", "main:app", "--explain", "GET /items/3")
    assert done.returncode == 0, done.stderr
    assert "main.item" in done.stdout
    assert '"serve_fastapi_imports": true' in fastrapid("-T", "--serve-fastapi-imports").stdout
    done = fastrapid("-t", "--app", "main:app", "--serve-fastapi-imports=no")
    assert done.returncode == 2
    assert "takes no value" in done.stderr


def test_an_asgi_application_that_is_not_fastrapi(fastrapid: Run, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("from starlette.applications import Starlette\napp = Starlette()\n")
    done = fastrapid("-t", "--app", "main:app")
    assert done.returncode == 1
    assert '"serve_fastapi_imports": true' in done.stderr
