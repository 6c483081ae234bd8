"""What runs in Python: WebSockets, wrapped handlers, mounted routers, middleware."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from starlette.websockets import WebSocketDisconnect

from fastrapi import APIRouter, Depends, FastrAPI, Form, Header, HTTPException, Query, Request, Response, WebSocket
from fastrapi.exceptions import RequestValidationError
from fastrapi.responses import JSONResponse
from fastrapi.routing import APIRoute
from fastrapi.testclient import TestClient

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Using `httpx`")


class Item(BaseModel):
    name: str
    size: int = 1


class Tagged(APIRoute):
    """Adds a header to every answer, and turns invalid requests into 400."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def wrapped(request: Request) -> Response:
            try:
                response = await handle(request)
            except RequestValidationError as exc:
                raise HTTPException(400, [error["loc"] for error in exc.errors()]) from exc
            response.headers["X-Tagged"] = type(request).__name__
            return response

        return wrapped


def tagged() -> FastrAPI:
    app = FastrAPI(openapi_url=None)
    router = APIRouter(route_class=Tagged)
    log: list[str] = []
    app.state.log = log

    def opened(response: Response) -> Any:
        response.headers["X-Opened"] = "yes"
        log.append("open")
        yield "value"
        log.append("close")

    async def doubled(value: Annotated[str, Depends(opened)]) -> str:
        return value * 2

    @router.post("/items/{key}", status_code=201)
    def make(
        key: int, item: Item, value: Annotated[str, Depends(doubled)], again: Annotated[str, Depends(opened)]
    ) -> dict[str, Any]:
        return {"key": key, "item": item, "value": value, "again": again}

    @router.get("/model", response_model=Item, response_model_exclude_unset=True)
    async def model() -> Any:
        return {"name": "n"}

    @router.post("/form")
    async def form(name: Annotated[str, Form()], tags: Annotated[list[int], Form()]) -> Any:
        return [name, tags]

    @router.get("/lines")
    def lines(n: int = 2) -> Any:
        yield from range(n)

    app.include_router(router, prefix="/p")
    return app


def test_a_wrapped_handler() -> None:
    app = tagged()
    client = TestClient(app)
    answer = client.post("/p/items/3", json={"name": "x"})
    assert answer.status_code == 201
    assert answer.json() == {
        "key": 3,
        "item": {"name": "x", "size": 1},
        "value": "valuevalue",
        "again": "value",
    }
    assert (answer.headers["x-tagged"], answer.headers["x-opened"]) == ("Request", "yes")
    assert app.state.log == ["open", "close"]
    assert client.get("/p/model").content == b'{"name":"n"}'
    assert client.get("/p/lines").content == b"0\n1\n"
    form = client.post("/p/form", data={"name": "n", "tags": ["1", "2"]})
    assert form.json() == ["n", [1, 2]]


def test_a_wrapped_handler_sees_the_errors() -> None:
    client = TestClient(tagged())
    answer = client.post("/p/items/x", json={"size": 1})
    assert answer.status_code == 400
    assert answer.json() == {"detail": [["path", "key"], ["body", "name"]]}
    assert client.post("/p/items/1", content=b"{").status_code == 400
    assert client.get("/p/items/1").status_code == 405


def sockets() -> FastrAPI:
    app = FastrAPI(openapi_url=None)
    router = APIRouter(prefix="/r")
    log: list[str] = []
    app.state.log = log

    async def session(token: Annotated[str, Query()]) -> Any:
        log.append("open")
        yield token.upper()
        log.append("close")

    @router.websocket("/{room}")
    async def echo(
        websocket: WebSocket,
        room: int,
        session: Annotated[str, Depends(session)],
        x_kind: Annotated[str, Header()] = "none",
    ) -> None:
        await websocket.accept()
        text = await websocket.receive_text()
        await websocket.send_json([room, session, x_kind, text])
        await websocket.close()

    app.include_router(router, prefix="/v1")
    return app


def test_a_websocket_with_dependencies() -> None:
    app = sockets()
    client = TestClient(app)
    with client.websocket_connect("/v1/r/7?token=t", headers={"X-Kind": "k"}) as socket:
        socket.send_text("hello")
        assert socket.receive_json() == [7, "T", "k", "hello"]
    assert app.state.log == ["open", "close"]


def test_a_websocket_with_invalid_parameters_is_closed() -> None:
    client = TestClient(sockets())
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/v1/r/x?token=t"):
        pass
    assert caught.value.code == 1008


def test_overrides_reach_websockets() -> None:
    app = FastrAPI(openapi_url=None)

    def real() -> str:
        return "real"

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket, value: Annotated[str, Depends(real)]) -> None:
        await websocket.accept()
        await websocket.send_text(value)
        await websocket.close()

    app.dependency_overrides[real] = lambda: "fake"
    with TestClient(app).websocket_connect("/ws") as socket:
        assert socket.receive_text() == "fake"


def test_a_router_on_its_own() -> None:
    app, router = FastrAPI(openapi_url=None), APIRouter()

    @router.get("/x/{n}")
    def x(n: int) -> Any:
        return {"n": n}

    app.mount("/sub", router)
    client = TestClient(app)
    assert client.get("/sub/x/4").json() == {"n": 4}
    assert client.get("/sub/x/y").status_code == 422


def test_middleware_and_handlers() -> None:
    app = FastrAPI(openapi_url=None)

    @app.middleware("http")
    async def mark(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["X-Seen"] = request.url.path
        return response

    @app.exception_handler(KeyError)
    async def on_key(request: Request, exc: KeyError) -> JSONResponse:
        return JSONResponse({"key": exc.args[0]}, status_code=418)

    @app.get("/fail")
    async def fail() -> None:
        raise KeyError("k")

    client = TestClient(app)
    answer = client.get("/fail")
    assert (answer.status_code, answer.json()) == (418, {"key": "k"})
    assert answer.headers["x-seen"] == "/fail"
    assert client.get("/none").headers["x-seen"] == "/none"


def test_the_lifespan() -> None:
    app = FastrAPI(openapi_url=None)
    router = APIRouter(on_startup=[lambda: log.append("router")])
    log: list[str] = []
    app.include_router(router)

    with pytest.warns(DeprecationWarning):

        @app.on_event("shutdown")
        async def down() -> None:
            log.append("down")

    with TestClient(app):
        assert log == ["router", "router"]
    assert log[-1] == "down"
