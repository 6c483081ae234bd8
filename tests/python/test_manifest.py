"""The manifest: what a declaration is compiled to."""

import json
import os
import subprocess
import sys
from enum import Enum
from typing import Annotated, Any

import pytest
from compiled import application, only, ops, routes_of, step_of
from pydantic import AliasChoices, BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from fastrapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    File,
    Form,
    Header,
    Query,
    Response,
    Security,
    UploadFile,
)
from fastrapi._compile import bind, compile_app, emit, manifest_bytes
from fastrapi.security import SecurityScopes


class Item(BaseModel):
    name: str
    price: float = 1.0


class Color(Enum):
    RED = "red"


def test_an_endpoint_without_parameters_has_two_steps() -> None:
    app = application()

    @app.get("/")
    def home() -> None: ...

    route, objects = only(app)
    assert route["kind"] == "plan"
    assert route["pattern"] == [["lit", ""]]
    assert ops(route) == ["endpoint", "respond"]
    endpoint, respond = route["steps"]
    assert objects[endpoint["object"]] is home
    assert (endpoint["mode"], endpoint["place"]) == ("sync", 0)
    assert respond["mode"] == "encoder"
    assert objects[route["object"]] is app.routes[0]


def test_where_the_functions_of_a_route_run() -> None:
    app = application()
    router = APIRouter(sync_handlers="inline")

    def shared() -> None: ...

    @app.get("/configured")
    def configured(a: None = Depends(shared)) -> None: ...

    @app.get("/threads", sync_handlers="threads")
    def threads(a: None = Depends(shared)) -> None: ...

    @router.get("/inline")
    def inline(a: None = Depends(shared)) -> None: ...

    @router.get("/auto", sync_handlers="auto")
    def auto() -> None: ...

    @router.get("/async")
    async def neither() -> None: ...

    app.include_router(router)
    routes, _ = routes_of(app)
    found = [
        [(step.get("sync"), step.get("place")) for step in route["steps"] if step["op"] in ("call", "endpoint")]
        for route in routes
    ]
    assert found == [
        [(None, 0), (None, 1)],
        [("threads", 2), ("threads", 3)],
        [("inline", 4), ("inline", 5)],
        [("auto", 6)],
        [(None, None)],
    ]


def test_sync_handlers_are_checked() -> None:
    app = application()
    with pytest.raises(ValueError, match="sync_handlers must be 'auto', 'inline', 'threads' or None, not 'fast'"):
        app.get("/", sync_handlers="fast")(lambda: None)
    with pytest.raises(ValueError, match="sync_handlers must be"):
        APIRouter(sync_handlers="fast")  # type: ignore[arg-type]


def test_parameters() -> None:
    app = application()

    @app.get("/{key}/{number:int}/{text:int}")
    def handle(
        key: str,
        number: int,
        text: str,
        page: int,
        limited: Annotated[int, Query(le=9)],
        tags: Annotated[list[str], Query()] = [],  # noqa: B006
        color: Color = Color.RED,
        maybe: str | None = None,
        x_token: Annotated[str, Header(alias="X-Token")] = "t",
        user_agent: Annotated[str | None, Header()] = None,
        c: Annotated[str, Cookie()] = "",
    ) -> None: ...

    route, objects = only(app)
    take = {s["name"]: s for s in route["steps"] if s["op"] == "param"}
    fast = {name: step["fast"] for name, step in take.items()}
    assert fast == {
        "key": "str",
        "number": "int",
        # The convertor makes an int of it: that is no str.
        "text": "none",
        "page": "int",
        "limited": "none",
        "tags": "none",
        "color": "none",
        "maybe": "str",
        "user_agent": "str",
        "c": "str",
    }
    assert [take[n]["default_mode"] for n in ("page", "tags", "color", "maybe")] == [
        "required",
        "copy",
        "const",
        "const",
    ]
    assert objects[take["color"]["object2"]] is Color.RED
    assert take["tags"]["sequence"] is True
    # Its errors name it as it was declared: that is read in Python.
    assert step_of(route, "pyparam")["name"] == "x_token"
    assert take["user_agent"]["alias"] == "user-agent"
    assert objects[take["user_agent"]["object3"]].loc == ("header", "user-agent")
    assert objects[take["page"]["object"]].validate_python("7", from_attributes=True) == 7
    endpoint = step_of(route, "endpoint")
    assert [name for name, _ in endpoint["args"]] == [
        "key", "number", "text", "page", "limited", "tags", "color", "maybe",
        "x_token", "user_agent", "c",
    ]  # fmt: skip
    slots = [slot for _, slot in endpoint["args"]]
    assert len(set(slots)) == len(slots)
    assert max(slots) < route["slots"]


def test_a_default_factory_is_called_each_time() -> None:
    app = application()

    @app.get("/")
    def handle(made: list[int] = Query(default_factory=lambda: [1])) -> None: ...

    route, objects = only(app)
    step = step_of(route, "param")
    assert step["default_mode"] == "call"
    factory = objects[step["object2"]]
    assert factory() == [1]
    assert factory() is not factory()


def test_parameter_models_and_several_aliases_are_read_in_python() -> None:
    app = application()

    class Page(BaseModel):
        offset: int = 0
        size: int = 10

    @app.get("/")
    def handle(
        page: Annotated[Page, Query()],
        other: Annotated[str, Query(validation_alias=AliasChoices("a", "b"))] = "",
    ) -> None: ...

    route, objects = only(app)
    steps = {s["name"]: s for s in route["steps"] if s["op"] == "pyparam"}
    assert set(steps) == {"page", "other"}
    from starlette.datastructures import QueryParams

    read = objects[steps["page"]["object"]]
    value, errors = read({}, QueryParams("offset=3"))
    assert (value.offset, value.size, errors) == (3, 10, [])
    value, errors = read({}, QueryParams("offset=x"))
    assert [error["loc"] for error in errors] == [("query", "offset")]
    read = objects[steps["other"]["object"]]
    assert read({}, QueryParams("b=2"))[0] == "2"


def test_bodies() -> None:
    app = application()

    @app.post("/one")
    def one(item: Item) -> None: ...

    @app.post("/two")
    def two(item: Item, note: Annotated[str, Body()] = "n") -> None: ...

    @app.post("/embedded")
    def embedded(item: Annotated[Item, Body(embed=True)]) -> None: ...

    @app.post("/form")
    def form(name: Annotated[str, Form()], file: UploadFile, raw: Annotated[bytes, File()]) -> None: ...

    routes, objects = routes_of(app)
    first, second, third, fourth = routes
    assert [route["body"] for route in routes] == ["json", "json", "json", "form"]
    step = step_of(first, "body")
    assert (step["embed"], step["direct"]) == (False, True)
    assert objects[step["object3"]].loc == ("body",)
    assert [(s["alias"], s["embed"], s["direct"]) for s in second["steps"] if s["op"] == "body"] == [
        ("item", True, False),
        ("note", True, False),
    ]
    assert step_of(third, "body")["embed"] is True
    assert [name for name, _ in step_of(fourth, "pybody")["args"]] == ["name", "file", "raw"]
    assert all(route["strict_content_type"] for route in routes)


def test_dependencies_are_flattened_in_order() -> None:
    app = application()
    calls: list[str] = []

    def base(q: int = 1) -> int:
        return q

    async def middle(b: Annotated[int, Depends(base)]) -> Any:
        yield b
        calls.append("exit")

    def always() -> None: ...

    @app.get("/", dependencies=[Depends(always)])
    async def handle(
        m: Annotated[Any, Depends(middle, scope="function")], b: Annotated[int, Depends(base)]
    ) -> None: ...

    route, objects = only(app)
    assert ops(route) == [
        "mark", "call",
        "mark", "mark", "param", "call", "call",
        "cached", "mark", "param", "call",
        "endpoint", "respond",
    ]  # fmt: skip
    named = [s["name"].rpartition(".")[2] for s in route["steps"] if s["op"] == "call"]
    assert named == ["always", "base", "middle", "base"]
    modes = [s["mode"] for s in route["steps"] if s["op"] == "call"]
    assert modes == ["sync", "sync", "agen", "sync"]
    assert [s["function_scope"] for s in route["steps"] if s["op"] == "call"] == [
        False, False, True, False,
    ]  # fmt: skip
    cached = step_of(route, "cached")
    again = route["steps"][10]
    assert cached["jump"] == 11
    assert (cached["cache"], cached["slot"]) == (again["cache"], again["slot"])
    assert again["cache"] == route["steps"][5]["cache"]
    assert again["place"] == route["steps"][5]["place"]
    assert [name for name, _ in step_of(route, "endpoint")["args"]] == ["m", "b"]
    assert (route["marks"], route["caches"]) == (4, 3)


def test_what_is_not_cached_inside_is_evaluated_again() -> None:
    app = application()

    def fresh() -> int:
        return 1

    def outer(f: Annotated[int, Depends(fresh, use_cache=False)]) -> int:
        return f

    @app.get("/")
    def handle(a: Annotated[int, Depends(outer)], b: Annotated[int, Depends(outer)]) -> None: ...

    route, _ = only(app)
    assert ops(route) == [
        "mark", "mark", "call", "call",
        "mark", "mark", "call", "cached", "call",
        "endpoint", "respond",
    ]  # fmt: skip
    assert step_of(route, "cached")["jump"] == 9
    assert route["steps"][6]["use_cache"] is False


def test_scopes_and_what_is_injected() -> None:
    app = application()

    def check(scopes: SecurityScopes) -> str:
        return scopes.scope_str

    @app.get("/")
    def handle(
        request: Request,
        response: Response,
        tasks: BackgroundTasks,
        a: Annotated[str, Security(check, scopes=["one"])],
        b: Annotated[str, Security(check, scopes=["two"])],
    ) -> None: ...

    route, objects = only(app)
    special = [(s["what"], s.get("object")) for s in route["steps"] if s["op"] == "special"]
    assert [what for what, _ in special] == [
        "scopes", "scopes", "request", "background", "response",
    ]  # fmt: skip
    assert [objects[number] for what, number in special if what == "scopes"] == [["one"], ["two"]]
    # Other scopes, another result: they share no cache.
    caches = [s["cache"] for s in route["steps"] if s["op"] == "call"]
    assert len(set(caches)) == 2


def test_responses() -> None:
    app = application()

    @app.get("/model", response_model_exclude_none=True, response_model_include={"name"})
    def model() -> Item: ...

    @app.get("/html", response_class=HTMLResponse, status_code=202)
    def html() -> str: ...

    @app.get("/none", response_model=None)
    def none() -> Item: ...

    @app.get("/raw")
    def raw() -> PlainTextResponse: ...

    @app.get("/lines")
    def lines() -> Any:
        yield 1

    routes, objects = routes_of(app)
    respond = [route["steps"][-1] for route in routes]
    assert [step["mode"] for step in respond] == [
        "field_json", "class", "encoder", "encoder", "python",
    ]  # fmt: skip
    assert objects[respond[0]["object4"]] == {
        "by_alias": True,
        "include": {"name"},
        "exclude_none": True,
    }
    assert objects[respond[1]["object2"]] is HTMLResponse
    # A class gets plain data, which Pydantic makes.
    assert objects[respond[1]["object4"]] == {"by_alias": True, "mode": "json"}
    assert routes[1]["status"] == 202
    assert respond[0]["validate"] is True
    assert routes[4]["steps"][0]["mode"] == "gen"


def test_included_routers() -> None:
    app = application()
    inner, outer = APIRouter(prefix="/in"), APIRouter(prefix="/out")

    def guard() -> None: ...

    @inner.get("/x")
    def x() -> None: ...

    outer.include_router(inner, dependencies=[Depends(guard)])
    app.include_router(outer, prefix="/v1")
    before = app._version

    @inner.get("/late")
    def late() -> None: ...

    assert app._version != before
    routes, objects = routes_of(app)
    assert [route["path"] for route in routes] == ["/v1/out/in/x", "/v1/out/in/late"]
    assert ops(routes[0]) == ["mark", "call", "endpoint", "respond"]
    assert objects[routes[0]["object"]].original_route is inner.routes[0]


def test_the_version_follows_every_change_of_the_list() -> None:
    app = application()
    seen = {app._version}
    route = Route("/r", lambda request: PlainTextResponse("r"))
    for change in (
        lambda: app.routes.append(route),
        lambda: app.routes.insert(0, route),
        lambda: app.routes.remove(route),
        lambda: app.routes.__setitem__(0, route),
        lambda: app.routes.extend([route]),
        lambda: app.routes.pop(),
        lambda: app.routes.reverse(),
        lambda: app.routes.clear(),
        lambda: app.mount("/m", PlainTextResponse("m")),
        lambda: setattr(app.router, "routes", []),
    ):
        change()
        assert app._version not in seen
        seen.add(app._version)


def test_overrides_replace_the_call_and_keep_the_cache() -> None:
    app = application()

    def real(q: int) -> int:
        return q

    def fake() -> int:
        return 0

    @app.get("/")
    def handle(a: Annotated[int, Depends(real)], b: Annotated[int, Depends(real)]) -> None: ...

    app.dependency_overrides[real] = fake
    text, objects = app._overridden()
    route = json.loads(text)["routes"][0]
    assert ops(route) == ["mark", "call", "cached", "mark", "call", "endpoint", "respond"]
    assert objects[route["steps"][1]["object"]] is fake
    plain = json.loads(app._manifest()[0])["routes"][0]
    assert ops(plain)[:3] == ["mark", "param", "call"]


def test_application_flags() -> None:
    app = application(debug=True, redirect_slashes=False)
    assert compile_app(app)[0]["app"] == {
        "name": "main:app",
        "redirect_slashes": False,
        "wrapped": False,
        "debug": True,
        "root_path": "",
        "middleware": [],
        "handlers": [
            "starlette.exceptions.HTTPException: fastrapi.exception_handlers.http_exception_handler",
            "fastrapi.exceptions.RequestValidationError: "
            "fastrapi.exception_handlers.request_validation_exception_handler",
        ],
        "last_handler": None,
    }
    before = app._version
    app.add_middleware(lambda app: app)
    assert app._version != before
    assert compile_app(app)[0]["app"]["wrapped"] is True


SCRIPT = """
import sys
from typing import Annotated, Any
from pydantic import BaseModel
from fastrapi import Depends, FastrAPI, Query
from fastrapi._compile import emit

class Item(BaseModel):
    names: set[str] = set("abcdef")

def one(q: Annotated[frozenset[str], Query()] = frozenset("abc")) -> Any: ...

app = FastrAPI()

@app.api_route("/", methods=["PUT", "GET", "PATCH", "POST", "DELETE"])
def home(item: Item, o: Any = Depends(one)) -> Item: ...

sys.stdout.buffer.write(emit(app, "m:app"))
"""


def test_the_hash_seed_changes_nothing() -> None:
    outputs = set()
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert json.loads(outputs.pop())["version"] == 1


def test_emit_and_bind_agree() -> None:
    app = application()

    @app.get("/")
    def home() -> None: ...

    text, objects = bind(app, "m:app")
    assert text == emit(app, "m:app")
    assert text.isascii()
    assert text == manifest_bytes(compile_app(app, "m:app")[0])
    assert len(objects) == len(json.loads(text)["objects"])
