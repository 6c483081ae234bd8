"""The harness itself: what becomes of tests that pass, fail, hang in the import or end the process."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

import suite
from prepared import DAEMON, Prepared
from suite_lists import ASKS_NOBODY, NOT_IN_A_MODULE, Topics, covers
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
# The application writes down which process it is, and when its lifespan ends.
SOCKET_FILES = {
    "pyproject.toml": FILES["pyproject.toml"],
    "tests/__init__.py": "",
    "tests/test_socket.py": """
import os
from contextlib import asynccontextmanager
from pathlib import Path
import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.testclient import TestClient

@asynccontextmanager
async def lifespan(app):
    yield
    Path("ended").write_text(str(os.getpid()))

app = FastAPI(lifespan=lifespan)
value = 0

@app.get("/process")
def process(): return os.getpid()

@app.get("/value")
def read(): return value

@app.get("/value/{wanted}")
def write(wanted: int):
    global value
    value = wanted

@app.websocket("/echo")
async def echo(websocket: WebSocket):
    if websocket.query_params:
        return await websocket.close()
    await websocket.accept(websocket["subprotocols"][0], [(b"x-from", websocket.headers["x-to"].encode())])
    await websocket.send_json({"pid": os.getpid()})
    await websocket.send_bytes(await websocket.receive_bytes())
    await websocket.close(4001, "enough")

client = TestClient(app)

def test_another_process():
    assert client.get("/process").json() != os.getpid()
    assert client.get("/process").request.headers["host"] == "testserver"

def test_it_lives_on():
    client.get("/value/5")
    assert client.get("/value").json() == 5

def test_its_own_copy(monkeypatch):
    monkeypatch.setattr("tests.test_socket.value", 7)
    assert client.get("/value").json() == 7

def test_lifespan():
    with TestClient(app) as own:
        pid = own.get("/process").json()
        assert own.get("/value").json() == 0
        Path("ended").unlink()  # by the daemon that was there before
    assert Path("ended").read_text() == str(pid)

def test_websocket():
    with client.websocket_connect("/echo", subprotocols=["one"], headers={"x-to": "me"}) as websocket:
        assert websocket.accepted_subprotocol == "one"
        assert (b"x-from", b"me") in websocket.extra_headers
        assert websocket.receive_json()["pid"] != os.getpid()
        websocket.send_bytes(b"abc")
        assert websocket.receive_bytes() == b"abc"
        with pytest.raises(WebSocketDisconnect) as caught:
            websocket.receive_text()
    assert (caught.value.code, caught.value.reason) == (4001, "enough")
    with pytest.raises(WebSocketDisconnect):
        with client.websocket_connect("/echo?no=1"):
            pass

def test_nobody():
    assert app.routes

def test_no_module():
    inner = FastAPI()
    inner.get("/")(process)
    assert TestClient(inner).get("/").json() == 3

def test_no_daemon():
    assert TestClient(broken).get("/").status_code == 404

broken = object()
""",
}


def archived(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "sources.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"sources/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def test_each_ending(prepared: Prepared, tmp_path: Path) -> None:
    archive = archived(tmp_path, FILES)
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


def test_over_a_socket(prepared: Prepared, tmp_path: Path) -> None:
    archive = archived(tmp_path, SOCKET_FILES)
    with (tmp_path / "log").open("wb") as log:
        results = Runner(prepared.python, archive, log, daemon=DAEMON).run(["tests/test_socket.py"], 1)
    outcomes = {test.rpartition("::")[2]: outcome for test, (outcome, _) in results.tests.items()}
    assert outcomes == {
        "test_another_process": "passed",
        "test_it_lives_on": "passed",
        "test_its_own_copy": "failed",
        "test_lifespan": "passed",
        "test_websocket": "passed",
        "test_nobody": "skipped",
        "test_no_module": "skipped",
        "test_no_daemon": "failed",
    }, (tmp_path / "log").read_text()
    score = suite.Score(results.tests, results, "socket-failing.txt", 8)
    assert sorted(score.none.items()) == [
        ("tests/test_socket.py::test_no_module", NOT_IN_A_MODULE),
        ("tests/test_socket.py::test_nobody", ASKS_NOBODY),
    ]
    assert "the daemon is not ready" in score.failed["tests/test_socket.py::test_no_daemon"]
    assert score.short == 2


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
