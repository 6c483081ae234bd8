"""An application as type checkers see it: `make lint` checks it with mypy --strict, pytest runs it."""

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, ParamSpec, TypeVar, assert_type

from pydantic import BaseModel
from starlette.middleware.base import RequestResponseEndpoint

from fastrapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Depends,
    FastrAPI,
    File,
    Form,
    Header,
    HTTPException,
    Path,
    Query,
    Request,
    Response,
    Security,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
    responses,
)
from fastrapi.exceptions import RequestValidationError
from fastrapi.middleware.cors import CORSMiddleware
from fastrapi.openapi.utils import get_openapi
from fastrapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastrapi.routing import APIRoute
from fastrapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm, SecurityScopes
from fastrapi.types import DecoratedCallable

P = ParamSpec("P")
R = TypeVar("R")


class Item(BaseModel):
    name: str
    price: float = 1.0


@asynccontextmanager
async def lifespan(app: FastrAPI) -> AsyncIterator[dict[str, int]]:
    app.state.count = 1
    yield {"count": 1}


app = FastrAPI(title="Typed", lifespan=lifespan, responses={404: {"model": Item}}, dependencies=[Depends(lambda: None)])
router = APIRouter(prefix="/r", tags=["r"], route_class=APIRoute, default_response_class=JSONResponse)
app.add_middleware(CORSMiddleware, allow_origins=["*"])
oauth2 = OAuth2PasswordBearer(tokenUrl="token", scopes={"read": "Read"}, auto_error=False)


async def number() -> AsyncGenerator[int, None]:
    yield 1


def text(q: str | None = None, limit: Annotated[int, Query(ge=1, le=3)] = 2) -> Iterator[str]:
    yield q or "x" * limit


async def user(scopes: SecurityScopes, token: Annotated[str | None, Depends(oauth2)]) -> Item:
    if token == "no":
        raise HTTPException(status_code=401, detail={"scopes": scopes.scopes}, headers={"x": scopes.scope_str})
    return Item(name=token or "nobody")


Number = Annotated[int, Depends(number)]


def awaited(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await function(*args, **kwargs)

    return call


@router.get(
    "/items/{item_id}",
    response_model=list[Item],
    tags=["items"],
    responses={200: {"description": "Items"}},
    response_model_exclude_defaults=True,
    response_class=JSONResponse,
    dependencies=[Depends(text)],
    include_in_schema=True,
    openapi_extra={"x-one": 1},
    sync_handlers="threads",
)
@awaited
async def read_items(
    item_id: Annotated[int, Path(gt=0, title="The id")],
    n: Number,
    who: Annotated[Item, Security(user, scopes=["read"])],
    tasks: BackgroundTasks,
    response: Response,
    words: str = Depends(text),
    h: Annotated[str | None, Header()] = None,
    q: list[str] = Query([]),
) -> list[Item]:
    tasks.add_task(print, n, words, h, q, end="")
    response.set_cookie("a", "b", samesite="lax")
    return [who] * item_id


@app.post("/up", status_code=201)
def upload(
    f: UploadFile,
    b: Annotated[bytes, File(description="Bytes")],
    n: Annotated[str, Form(min_length=1)],
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
) -> dict[str, Any]:
    return {"size": f.size, "type": f.content_type, "b": len(b), "n": n, "user": form.username}


@app.put("/item")
async def put_item(item: Annotated[Item, Body(embed=True)]) -> Item:
    return item


@app.api_route("/both", methods=["GET", "POST"], include_in_schema=False)
async def both(request: Request) -> str:
    return request.method


@app.websocket("/ws/{n}")
async def ws(websocket: WebSocket, n: int, one: Number) -> None:
    await websocket.accept()
    try:
        await websocket.send_json([n, one, await websocket.receive_text()])
    except WebSocketDisconnect as exc:
        raise WebSocketException(code=1008) from exc


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, exc: RequestValidationError) -> Response:
    return JSONResponse({"errors": len(exc.errors()), "path": request.url.path}, 400)


@app.exception_handler(404)
async def not_found(request: Request, exc: HTTPException) -> Response:
    return PlainTextResponse(str(exc.detail), exc.status_code)


@app.middleware("http")
async def tag(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["x-tag"] = request.url.path
    return response


class OwnRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Any]:
        original = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await original(request)

        return handle


class OwnRouter(APIRouter):
    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().add_api_route(path, endpoint, **{"tags": ["own"], **options})

    def api_route(self, path: str, **options: Any) -> Callable[[DecoratedCallable], DecoratedCallable]:
        return super().api_route(path, **options)


own = OwnRouter(route_class=OwnRoute)


@own.get("/own")
def own_endpoint() -> StreamingResponse:
    return StreamingResponse(iter([b"x"]))


app.include_router(router, prefix="/p", tags=["p"], dependencies=[Depends(number)])
app.include_router(own)


def openapi() -> dict[str, Any]:
    return get_openapi(title=app.title, version=app.version, routes=app.routes)


app.openapi = openapi  # type: ignore[method-assign]
app.dependency_overrides[number] = lambda: 3


def check_types() -> None:
    """What the decorators give back is what they were given."""
    assert_type(own_endpoint(), StreamingResponse)
    assert_type(HTTPException(404).detail, str)
    for route in app.routes:
        if isinstance(route, APIRoute):
            assert_type(route.path, str)
            assert_type(route.methods, set[str])


def mistakes() -> None:
    """Each is one for the type checker; a comment that is not needed is an error too."""
    app.get(3)  # type: ignore[arg-type]
    app.get("/x", nope=1)  # type: ignore[call-arg]
    app.get("/x", methods=["GET"])  # type: ignore[call-arg]
    app.get("/x")(3)  # type: ignore[type-var]
    FastrAPI(titel="x")  # type: ignore[call-arg]
    router.post("/x", status_code="a")  # type: ignore[arg-type]
    app.include_router(3)  # type: ignore[arg-type]
    app.add_api_route("/x", 3)  # type: ignore[arg-type]
    put_item("x")  # type: ignore[arg-type, unused-coroutine]
    Query(3, gtt=1)  # type: ignore[call-arg]
    Depends(3)  # type: ignore[arg-type]
    HTTPException("x")  # type: ignore[arg-type]
    responses.JSONRespones({})  # type: ignore[attr-defined]
