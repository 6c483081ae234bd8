"""What plugins and instrumentation reach for beyond the documented names."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any
from unittest import mock

import pytest
from starlette.applications import Starlette
from starlette.routing import Match, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from fastrapi import APIRouter, Depends, FastrAPI, HTTPException, Request, WebSocket, WebSocketException
from fastrapi._compile import compile_app
from fastrapi.dependencies.utils import (
    _get_body_field,
    _get_flat_body_params,
    get_parameterless_sub_dependant,
)
from fastrapi.routing import APIRoute, APIWebSocketRoute, _IncludedRouter, iter_route_contexts, request_response
from fastrapi.testclient import TestClient


class Watcher:
    """Middleware that notes what is in each scope, before and after."""

    seen: list[tuple[str, bool, bool]]

    def __init__(self, app: ASGIApp, seen: list[tuple[str, bool, bool]]) -> None:
        self.app = app
        self.seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        before = "router" in scope
        await self.app(scope, receive, send)
        self.seen.append((scope["type"], before, "router" in scope))


def test_middleware_sees_the_lifespan_and_stands_before_the_router() -> None:
    seen: list[tuple[str, bool, bool]] = []
    app = FastrAPI()
    app.add_middleware(Watcher, seen=seen)
    app.add_api_route("/x", lambda: 1)
    with TestClient(app) as client:
        assert client.get("/x").json() == 1
        assert client.get("/nowhere").status_code == 404
    assert seen == [("http", False, True), ("http", False, True), ("lifespan", False, True)]


def test_middleware_is_not_added_once_the_lifespan_has_begun() -> None:
    app = FastrAPI()
    with TestClient(app), pytest.raises(RuntimeError, match="Cannot add middleware"):
        app.add_middleware(Watcher, seen=[])


class OwnRoute(APIRoute):
    """A route that may only be asked when its turn has come."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        assert scope.get("its turn")
        return super().matches(scope)


def nested() -> FastrAPI:
    inner = APIRouter(route_class=OwnRoute)
    inner.add_api_route("/{n}", lambda n: n, methods=["GET"])
    inner.routes.append(Mount("/m", FastrAPI()))
    outer = APIRouter()
    outer.include_router(inner, prefix="/inner")
    app = FastrAPI(openapi_url=None)
    app.include_router(outer, prefix="/outer")
    return app


@pytest.mark.parametrize("how", ["method", "function"])
def test_routes_are_matched_from_outside(how: str) -> None:
    app = nested()
    (route,) = app.routes
    assert isinstance(route, _IncludedRouter)
    contexts = list(route.effective_route_contexts() if how == "method" else iter_route_contexts(app.routes))
    assert [context.path for context in contexts] == ["/outer/inner/{n}", "/outer/inner/m"]
    assert contexts[0].starlette_route is None
    assert isinstance(contexts[1].starlette_route, Mount)
    scope = {"type": "http", "method": "GET", "path": "/outer/inner/3", "headers": []}
    assert [context.matches(scope)[0] for context in contexts] == [Match.FULL, Match.NONE]
    assert contexts[0].matches({**scope, "method": "PUT"})[0] is Match.PARTIAL
    assert contexts[1].matches({**scope, "path": "/outer/inner/m/deeper"})[0] is Match.FULL


def given_a_dependency(route: APIRoute, call: Any) -> None:
    """What fastapi-pagination does to a route that was declared."""
    depends = Depends(call)
    route.dependencies.append(depends)
    route.dependant.dependencies.append(get_parameterless_sub_dependant(depends=depends, path=route.path_format))
    route.body_field = _get_body_field(
        body_params=_get_flat_body_params(route.dependant),
        name=route.unique_id,
        embed_body_fields=route._embed_body_fields,
    )
    route.app = request_response(route.get_route_handler())


@pytest.mark.parametrize("included", [False, True])
def test_a_dependency_is_added_to_a_route(included: bool) -> None:
    calls: list[int] = []

    def page(page: int) -> None:
        calls.append(page)

    def nothing() -> None:
        """No change."""

    router = APIRouter()
    router.add_api_route("/x", nothing)
    (route,) = router.routes
    assert isinstance(route, APIRoute)
    given_a_dependency(route, page)
    app = FastrAPI(openapi_url=None)
    if included:
        app.include_router(router)
    else:
        app.router.routes.append(route)
    client = TestClient(app)
    assert client.get("/x?page=7").status_code == 200
    assert client.get("/x").status_code == 422
    assert calls == [7]
    manifest, _ = compile_app(app, "app")
    assert [entry["kind"] for entry in manifest["routes"]] == ["plan"]


def test_a_start_that_changes_nothing_compiles_nothing() -> None:
    inner, outer = APIRouter(), APIRouter()
    inner.add_api_route("/x", lambda: 1)
    outer.include_router(inner, prefix="/inner")
    app = FastrAPI()
    app.include_router(outer)
    assert TestClient(app).get("/inner/x").json() == 1
    program = app._program
    with TestClient(app) as client:
        assert client.get("/inner/x").json() == 1
        assert app._program is program


def test_what_is_included_when_the_application_starts_may_be_injected_into() -> None:
    inner, outer = APIRouter(), APIRouter()
    inner.add_api_route("/x", lambda: 1)

    @inner.websocket("/ws")
    async def declared(websocket: WebSocket) -> None:
        """Ends before the handshake."""

    async def injected(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("injected")

    outer.include_router(inner, prefix="/inner")

    @asynccontextmanager
    async def lifespan(app: FastrAPI) -> AsyncIterator[None]:
        (included,) = (route for route in app.routes if isinstance(route, _IncludedRouter))
        http, websocket = included.effective_candidates()
        assert [http.path, websocket.path] == ["/inner/x", "/inner/ws"]
        http.dependant.call = lambda: 2
        websocket.dependant.call = injected
        yield

    app = FastrAPI(lifespan=lifespan)
    app.include_router(outer)
    assert TestClient(app).get("/inner/x").json() == 1
    for _ in range(3):  # as each test of an application may start it
        with TestClient(app) as client:
            assert client.get("/inner/x").json() == 2
            with client.websocket_connect("/inner/ws") as session:
                assert session.receive_text() == "injected"


def test_what_was_injected_before_a_start_stays() -> None:
    router = APIRouter()
    router.add_api_route("/x", lambda: 1)

    @router.websocket("/ws")
    async def declared(websocket: WebSocket) -> None:
        """Ends before the handshake."""

    async def injected(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("injected")

    app = FastrAPI()
    app.include_router(router)
    (included,) = (route for route in app.routes if isinstance(route, _IncludedRouter))
    http, websocket = included.effective_candidates()
    http.dependant.call = lambda: 2
    websocket.dependant.call = injected
    for _ in range(3):
        with TestClient(app) as client:
            assert client.get("/x").json() == 2
            with client.websocket_connect("/ws") as session:
                assert session.receive_text() == "injected"


def test_an_included_route_is_changed_in_place_when_the_application_starts() -> None:
    router = APIRouter()
    router.add_api_route("/x", lambda: 1)

    @router.websocket("/ws")
    async def declared(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    def refuse() -> None:
        raise HTTPException(418)

    def refuse_websocket() -> None:
        raise WebSocketException(4000)

    @asynccontextmanager
    async def lifespan(app: FastrAPI) -> AsyncIterator[None]:
        http, websocket = router.routes
        assert isinstance(http, APIRoute) and isinstance(websocket, APIWebSocketRoute)
        http.dependencies.append(Depends(refuse))
        websocket.dependencies.append(Depends(refuse_websocket))
        yield

    app = FastrAPI(lifespan=lifespan)
    app.include_router(router)
    assert TestClient(app).get("/x").json() == 1
    with TestClient(app) as client:
        assert client.get("/x").status_code == 418
        with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/ws"):
            """Not reached."""
    assert refused.value.code == 4000


@pytest.mark.parametrize("included", [False, True])
def test_a_copy_of_a_router_is_a_router_of_its_own(included: bool) -> None:
    router = APIRouter(prefix="/r")
    router.add_api_route("/x", lambda: "x")
    around = APIRouter()
    around.include_router(router, prefix="/around")
    app = FastrAPI()
    app.include_router(around)
    client = TestClient(app)
    assert client.get("/around/r/x").json() == "x"

    copied = deepcopy(around if included else router)
    assert copied._parents == []
    copied.add_api_route("/copied", lambda: "copied")
    other = FastrAPI()
    other.include_router(copied)
    paths = ["/around/r/x", "/copied"] if included else ["/r/x", "/r/copied"]
    assert [TestClient(other).get(path).json() for path in paths] == ["x", "copied"]
    if included:
        # Also what is in it: it tells the copy, and not the original.
        inner = copied.routes[0]
        assert isinstance(inner, _IncludedRouter)
        assert inner.original_router is not router
        inner.original_router.add_api_route("/deep", lambda: "deep")
        assert TestClient(other).get("/around/r/deep").json() == "deep"
        assert client.get("/around/r/deep").status_code == 404
    assert client.get(paths[1]).status_code == 404
    router.add_api_route("/late", lambda: "late")
    assert client.get("/around/r/late").json() == "late"
    assert TestClient(other).get(paths[0].replace("/x", "/late")).status_code == 404


def test_a_callable_of_its_own_stays() -> None:
    async def own(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = FastrAPI()
    app.add_api_route("/x", lambda: 1)
    route = app.routes[-1]
    assert isinstance(route, APIRoute)
    route.app = own
    assert TestClient(app).get("/x").status_code == 299


@pytest.fixture
def instrumented(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Starlette's __call__ replaced, as by Sentry."""
    seen: list[str] = []
    original = Starlette.__call__

    async def call(self: Starlette, scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])
        await original(self, scope, receive, send)

    monkeypatch.setattr(Starlette, "__call__", call)
    return seen


@pytest.mark.parametrize("with_middleware", [False, True])
def test_replaced_starlette_call(instrumented: list[str], with_middleware: bool) -> None:
    app = FastrAPI()
    app.add_api_route("/x", lambda: 1)
    if with_middleware:
        app.add_middleware(Watcher, seen=[])
    assert TestClient(app).get("/x").json() == 1
    assert instrumented == ["http"]


class Outermost(FastrAPI):
    """Overrides what Starlette documents for it."""

    def build_middleware_stack(self) -> ASGIApp:
        inner = super().build_middleware_stack()

        async def outer(scope: Scope, receive: Receive, send: Send) -> None:
            scope["outermost"] = True
            await inner(scope, receive, send)

        return outer


@pytest.mark.parametrize("with_middleware", [False, True])
def test_a_subclass_builds_its_own_stack(with_middleware: bool) -> None:
    app = Outermost()
    if with_middleware:
        app.add_middleware(Watcher, seen=[])

    @app.get("/x")
    async def endpoint(request: Request) -> Any:
        return request.scope.get("outermost")

    assert TestClient(app).get("/x").json() is True
    assert TestClient(app).get("/nowhere").status_code == 404


def test_the_class_builds_another_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    original = FastrAPI.build_middleware_stack

    def build(self: FastrAPI) -> ASGIApp:
        built.append(self)
        return original(self)

    monkeypatch.setattr(FastrAPI, "build_middleware_stack", build)
    app = FastrAPI()
    app.add_api_route("/x", lambda: 1)
    assert TestClient(app).get("/x").json() == 1
    assert built == [app]


class CountingRouter(APIRouter):
    """Sees each request before a route is chosen."""

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["counted"] = True
        await super().app(scope, receive, send)


@pytest.mark.parametrize("with_middleware", [False, True])
def test_another_router_in_the_place_of_the_applications(with_middleware: bool) -> None:
    app = FastrAPI()
    app.router = CountingRouter(dependency_overrides_provider=app)
    if with_middleware:
        app.add_middleware(Watcher, seen=[])

    def depended() -> int:
        return 1

    @app.get("/x/{n}")
    async def endpoint(n: int, request: Request, one: int = Depends(depended)) -> Any:
        return [n, one, request.scope.get("counted")]

    client = TestClient(app)
    assert client.get("/x/7").json() == [7, 1, True]
    assert client.get("/x/y").status_code == 422
    assert client.get("/nowhere").status_code == 404
    app.dependency_overrides[depended] = lambda: 2
    assert client.get("/x/7").json() == [7, 2, True]


def test_the_names_of_the_documentations_routes() -> None:
    app = FastrAPI(docs_url="/d", redoc_url="/r", openapi_url="/o", scalar_url="/s")
    names = ["openapi", "swagger_ui_html", "swagger_ui_redirect", "redoc_html", "scalar_html"]
    paths = ["/o", "/d", "/docs/oauth2-redirect", "/r", "/s"]
    assert [app.url_path_for(name) for name in names] == paths
    assert [route.name for route in app.routes if isinstance(route, Route)] == names


@pytest.mark.parametrize("kind", [mock.Mock, mock.MagicMock])
def test_a_mock_overrides_a_dependency(kind: type[mock.Mock]) -> None:
    # A mock has every attribute, so nothing may follow one as far as it goes.
    def depended() -> int:
        return 1

    app = FastrAPI()

    @app.get("/x")
    def endpoint(one: int = Depends(depended)) -> int:
        return one

    client = TestClient(app)
    app.dependency_overrides[depended] = kind(return_value=2)
    # FastAPI's answer too: the parameters of a mock are its *args and **kwargs.
    assert [error["loc"] for error in client.get("/x").json()["detail"]] == [["query", "args"], ["query", "kwargs"]]
    app.dependency_overrides[depended] = mock.create_autospec(depended, return_value=3)
    assert client.get("/x").json() == 3


def test_submodules_are_there_without_an_import_of_their_own() -> None:
    asked = "dependencies.utils dependencies.models middleware.asyncexitstack openapi.constants openapi.docs openapi.models"
    asked += " openapi.utils security.http telemetry routing"
    script = (
        "import fastrapi, functools, sys\n"
        "for path in sys.argv[1].split():\n"
        "    print(functools.reduce(getattr, path.split('.'), fastrapi).__name__)\n"
        "for package in (fastrapi, fastrapi.openapi):\n"
        "    print(hasattr(package, 'nothing'), hasattr(package, 'testclient'))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, asked], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [f"fastrapi.{path}" for path in asked.split()] + ["False False"] * 2


def test_libraries_of_responses_are_imported_when_they_are_asked_for() -> None:
    script = (
        "import sys\n"
        "sys.modules['ujson'] = None  # as if it were not installed\n"
        "from fastrapi import responses\n"
        "print('orjson' in sys.modules, {'ujson', 'orjson'} <= set(dir(responses)), hasattr(responses, 'nothing'))\n"
        "print(responses.orjson is sys.modules['orjson'], responses.ujson)\n"
    )
    env = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}  # orjson's import leaks
    ran = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout == "False True False\nTrue None\n"
