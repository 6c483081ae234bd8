"""--explain prints the order in which things run: it is the order in which they do run."""

import importlib.util
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastrapi.testclient import TestClient

Run = Callable[..., subprocess.CompletedProcess[str]]

SOURCE = '''
from typing import Annotated

from fastrapi import APIRouter, BackgroundTasks, Body, Depends, FastrAPI, HTTPException, Request
from fastrapi.responses import PlainTextResponse
from fastrapi.routing import APIRoute
from starlette.routing import Mount

ran = []


class Outer:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            ran.append("middleware main.Outer")
        await self.app(scope, receive, send)


async def outermost():
    ran.append("dependency main.outermost")
    yield 1
    ran.append("the end of main.outermost")


def short(first: Annotated[int, Depends(outermost)]):
    ran.append("dependency main.short")
    yield 2
    ran.append("the end of main.short")


def plain():
    ran.append("dependency main.plain")
    return 3


def later():
    ran.append("background tasks")


async def lost(request: Request, exc: Exception):
    ran.append("404: main.lost")
    return PlainTextResponse("lost", 404)


async def broken(request: Request, exc: Exception):
    return PlainTextResponse("broken", 500)


app = FastrAPI(exception_handlers={404: lost, Exception: broken})
app.add_middleware(Outer)


@app.middleware("http")
async def around(request: Request, call_next):
    ran.append("middleware main.around")
    return await call_next(request)


@app.post("/things")
async def create(
    one: Annotated[int, Depends(plain)],
    two: Annotated[int, Depends(short, scope="function")],
    thing: Annotated[dict, Body()],
    tasks: BackgroundTasks,
):
    ran.append("endpoint main.create")
    tasks.add_task(later)
    return thing


@app.get("/absent")
def absent(one: Annotated[int, Depends(outermost)]):
    raise HTTPException(404)


class Timed(APIRoute):
    def get_route_handler(self):
        return super().get_route_handler()


timed = APIRouter(route_class=Timed)


@timed.get("/timed")
def clocked():
    return 1


app.include_router(timed)


def raw(request: Request):
    return PlainTextResponse("raw")


app.add_route("/raw", raw)
app.mount("/inner", FastrAPI())
'''


@pytest.fixture
def main(tmp_path: Path) -> Any:
    (tmp_path / "main.py").write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("main", tmp_path / "main.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def order_of(text: str) -> list[str]:
    lines = text.partition("  order; ")[2].splitlines()[1:]
    numbered = [re.fullmatch(r" +(\d+)  (.*)", line) for line in lines]
    assert [line and int(line[1]) for line in numbered] == list(range(1, len(lines) + 1))
    return [line[2] for line in numbered if line]


def test_it_is_the_order_in_which_things_run(fastrapid: Run, main: Any) -> None:
    done = fastrapid("--app", "main:app", "--explain", "POST /things")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a plan, entered through ASGI: there is middleware around it" in done.stdout
    order = order_of(done.stdout)
    assert order[0] == "what nothing below handles: main.broken"
    assert order[3].startswith("exception handlers, by status or nearest class: 404: main.lost, ")
    assert "the response is sent" in order
    assert "the body is read: JSON" in order

    with TestClient(main.app) as client:
        assert client.post("/things", json={}).json() == {}
    names = [line.split(", ")[0] for line in order]
    assert [name for name in names if name in main.ran] == main.ran
    # Of what is printed, only these are not ours to watch.
    assert [name for name in names if name not in main.ran] == [
        "what nothing below handles: main.broken",
        "exception handlers",
        "the body is read: JSON",
        "the response is sent",
    ]
    assert client.get("/absent").text == "lost"
    assert main.ran[-2:] == ["dependency main.outermost", "404: main.lost"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/timed", "through ASGI: the route's class main.Timed has a get_route_handler() of its own"),
        ("/raw", "through ASGI: a plain Starlette route: the endpoint takes the request itself"),
        ("/inner/x", "through ASGI: fastrapi.applications.FastrAPI is mounted at /inner"),
    ],
)
def test_why_there_is_no_plan(fastrapid: Run, main: Any, path: str, words: str) -> None:
    done = fastrapid("--app", "main:app", "--explain", f"GET {path}")
    assert f"  {words}\n" in done.stdout
    assert order_of(done.stdout.partition("no other route")[0])[-1] == "the route, with all that it runs itself"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("app.add_middleware(Outer)", 'middleware layer 0 is "main.Outer", was "main.around, '),
        ("app.add_exception_handler(404, broken)", 'exception handler 0 is "404: main.broken", was "404: main.lost"'),
        ("app.add_exception_handler(500, lost)", 'last exception handler is "main.lost", was "main.broken"'),
    ],
)
def test_a_worker_that_differs_says_where(fastrapid: Run, tmp_path: Path, line: str, words: str) -> None:
    other = f"\nimport os\nif os.environ['FASTRAPID_ROLE'] != 'loader':\n    {line}\n"
    if "Outer" in line:
        # As many as before: another in the place of the first.
        other += "    del app.user_middleware[1]\n"
    (tmp_path / "main.py").write_text(SOURCE + other)
    done = fastrapid("--app", "main:app", "--listen", "127.0.0.1:0", "--workers", "1")
    assert done.returncode == 1
    assert f"it is not the same in this worker as in the loader: the application: {words}" in done.stderr
