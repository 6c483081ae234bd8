"""What `fastrapid -t`, a start and a worker say of an application's declarations."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Daemon

Run = Callable[..., subprocess.CompletedProcess[str]]

WARNED = '''
from fastrapi import APIRouter, FastrAPI

app = FastrAPI()
router = APIRouter()


@app.get("/users/{user_id}")
def read_user(user_id: str): ...


@router.get("/me")
def read_me():
    return {"user": "me"}


@router.get("/items/{item_id}")
def read_item(item_id: int, filter: dict[str, int]): ...


app.include_router(router, prefix="/users")


@router.get("/late/{item_id}")
def late(item_id: int = 3): ...


@app.get("/users/late/{item_id}")
def hidden(item_id: int): ...
'''

REFUSED = '''
from typing import Annotated

from fastrapi import FastrAPI, Path

app = FastrAPI()


@app.get("/items")
def read_item(item_id: Annotated[int, Path()]): ...
'''

RAISED = '''
from typing import Annotated

from fastrapi import Depends, FastrAPI

app = FastrAPI()


@app.get("/items")
def read_items(db: Annotated[int, Depends(5)]): ...
'''


def expected(main: Path) -> str:
    return (
        f"warning: {main}:16: 'filter' is taken from the body, which requests by GET hardly ever have\n"
        f"  parameter 'filter': {main}:16, in read_item\n"
        f"  route GET /items/{{item_id}}: {main}:16, in read_item\n"
        "  mend: declare it with Query(), or the route with post(), put() or patch()\n"
        f"warning: {main}:11: GET /users/me is never reached: GET /users/{{user_id}}, declared earlier,"
        " answers all its requests\n"
        f"  route GET /users/me: {main}:11, in read_me\n"
        f"  earlier: GET /users/{{user_id}}: {main}:7, in read_user\n"
        "  mend: declare it before the other, or change or remove one of the two\n"
        f"warning: {main}:27: GET /users/late/{{item_id}} is never reached: GET /users/late/{{item_id}},"
        " declared earlier, answers all its requests\n"
        f"  route GET /users/late/{{item_id}}: {main}:27, in hidden\n"
        f"  earlier: GET /users/late/{{item_id}}: {main}:23, in late\n"
        "  mend: declare it before the other, or change or remove one of the two\n"
        f"warning: {main}:23: The default of 'item_id' is never used: a path always has {{item_id}}\n"
        f"  parameter 'item_id': {main}:23, in late\n"
        f"  route GET /users/late/{{item_id}}: {main}:23, in late\n"
        "  mend: remove the default, or declare a path without the parameter too\n"
    )


def test_warnings_are_told_once_and_the_test_succeeds(
    fastrapid: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = tmp_path / "main.py"
    main.write_text(WARNED.removeprefix("\n"))
    done = fastrapid("-t", "--app", "main:app")
    assert done.stderr == expected(main)
    assert done.returncode == 0
    assert "application main:app: " in done.stdout
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    done = fastrapid("-t", "--app", "main:app")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_application_can_filter_its_warnings(fastrapid: Run, tmp_path: Path) -> None:
    quiet = (
        "import warnings\n"
        "from fastrapi.exceptions import FastrAPIDeclarationWarning\n"
        'warnings.filterwarnings("ignore", message=".* never reached", category=FastrAPIDeclarationWarning)\n'
    )
    (tmp_path / "main.py").write_text(quiet + WARNED)
    done = fastrapid("-t", "--app", "main:app")
    assert done.returncode == 0
    assert done.stderr.count("warning: ") == 2
    assert "never reached" not in done.stderr


def test_what_can_never_answer_is_an_error(fastrapid: Run, tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text(REFUSED.removeprefix("\n"))
    done = fastrapid("-t", "--app", "main:app")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "fastrapi.exceptions.FastAPIError: 1 error in the application's declarations\n"
        f"error: {main}:8: The path has no {{item_id}}, which is declared with Path():"
        " every request is answered with 422\n"
        f"  parameter 'item_id': {main}:8, in read_item\n"
        f"  route GET /items: {main}:8, in read_item\n"
        "  mend: write {item_id} into the path, or declare the parameter with Query()\n"
    )
    assert "warning" not in done.stderr


def test_what_raises_tells_where_and_how_to_mend_it(fastrapid: Run, tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text(RAISED.removeprefix("\n"))
    done = fastrapid("-t", "--app", "main:app")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "TypeError: 5 is not a callable object\n"
        f"  parameter 'db': {main}:8, in read_items\n"
        f"  route GET /items: {main}:8, in read_items\n"
        "  mend: give Depends() the function or class itself: Depends(get_db), neither its result nor a value\n"
    )


def test_a_server_logs_warnings_once(daemon: Callable[..., Daemon]) -> None:
    server = daemon(WARNED, {"workers": 2})
    assert server.get("/users/me")[0] == 200
    server.wait_spare()  # it has imported the application, too
    assert server.log.count("is never reached") == 2
    assert os.fspath(server.folder) in server.log
