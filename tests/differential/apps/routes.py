"""Routing: methods, convertors, routers, slashes, lifespan, and the injected objects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel
from starlette.routing import Route

from fastrapi import APIRouter, Body, Depends, FastrAPI, HTTPException, Path, Query, Request, Response, status
from fastrapi.exceptions import RequestValidationError
from fastrapi.requests import HTTPConnection
from fastrapi.responses import JSONResponse, PlainTextResponse


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    app.state.started = ["lifespan"]
    app.state.hits = 0
    yield {"from_lifespan": {"answer": 42}}


app = FastrAPI(lifespan=lifespan, title="Routes")


@app.get("/")
def root():
    return {"hello": "world"}


# Methods


@app.get("/methods")
def methods_get():
    return "get"


@app.post("/methods")
def methods_post():
    return "post"


@app.put("/methods")
async def methods_put():
    return "put"


@app.patch("/methods")
def methods_patch():
    return "patch"


@app.delete("/methods")
async def methods_delete():
    return "delete"


@app.options("/methods")
def methods_options():
    return "options"


@app.head("/methods")
def methods_head(response: Response):
    response.headers["X-Head"] = "1"


@app.trace("/methods")
def methods_trace():
    return "trace"


@app.get("/only-get")
def only_get():
    return "get"


@app.head("/only-head")
def only_head():
    return "a body that is not sent"


@app.head("/head-direct")
def head_direct():
    return PlainTextResponse("a body that is not sent", headers={"X-A": "1"})


@app.api_route("/api-route", methods=["GET", "POST", "PURGE"])
async def api_route(request: Request):
    return request.method


@app.api_route("/api-route-default")
def api_route_default(request: Request):
    return request.method


@app.api_route("/api-route-head", methods=["GET", "HEAD"])
def api_route_head(q: int = 0):
    return {"q": q}


def added(q: int = 1):
    return {"added": q}


app.add_api_route("/added", added, methods=["GET", "PUT"], status_code=201)


@app.get("/stacked/a")
@app.get("/stacked/b")
@app.post("/stacked/b")
def stacked(request: Request):
    return [request.method, request.url.path]


# Order and shadowing


@app.get("/users/me")
def users_me():
    return "me"


@app.get("/users/{user_id}")
def users_one(user_id: int):
    return user_id


@app.get("/users/shadowed")
def users_shadowed():
    return "never"


@app.post("/users/shadowed")
def users_shadowed_post():
    return "posted"


@app.put("/users/{name}")
def users_put(name: str):
    return name


@app.get("/twice")
def twice_first():
    return 1


@app.get("/twice")
def twice_second():
    return 2


# Convertors


@app.get("/conv/int/{n:int}")
def conv_int(n: int):
    return n


@app.get("/conv/float/{x:float}")
def conv_float(x: float):
    return x


@app.get("/conv/uuid/{u:uuid}")
def conv_uuid(u: str):
    return u


@app.get("/conv/str/{s:str}/end")
def conv_str(s: str):
    return s


@app.get("/conv/path/{p:path}")
def conv_path(p: str):
    return p


@app.get("/conv/int-str/{n:int}")
def conv_int_as_str(n: str):
    return n


@app.get("/conv/uuid-typed/{u:uuid}")
def conv_uuid_typed(u: UUID):
    return [type(u).__name__, u]


@app.get("/conv/float-int/{n:float}")
def conv_float_as_int(n: int):
    return n


@app.get("/conv/any/{n:int}")
def conv_any_int(n: int):
    return {"int": n}


@app.get("/conv/any/{s}")
def conv_any_str(s: str):
    return {"str": s}


@app.get("/part/{name}.{ext}")
def part(name: str, ext: str):
    return [name, ext]


@app.get("/part/v{n:int}")
def part_prefix(n: int):
    return ["v", n]


@app.get("/deep/{a}/b/{c}/{d:path}")
def deep(a: str, c: int, d: str):
    return [a, c, d]


class Model(str, Enum):
    alexnet = "alexnet"


@app.get("/models/{model}")
def models(model: Model):
    return {"model": model, "is": model is Model.alexnet}


@app.get("/café/{x}")
def unicode_path(x: str):
    return x


@app.get("/a b/{x}")
def space_path(x: str):
    return x


@app.get("/dots/../x")
def dots():
    return "dots"


# Slashes


@app.get("/no-slash")
def no_slash():
    return "no slash"


@app.post("/slash/")
def slash_post():
    return "slash"


@app.get("/slash/")
def slash():
    return "slash"


@app.get("/both")
def both_without():
    return "without"


@app.get("/both/")
def both_with():
    return "with"


@app.get("/param/{x}/")
def param_slash(x: int):
    return x


# Routers


def record(request: Request) -> None:
    request.state.seen = "router"


inner = APIRouter(prefix="/inner", tags=["inner"])


@inner.get("")
def inner_empty():
    return "inner, empty"


@inner.get("/")
def inner_root():
    return "inner, slash"


@inner.get("/{x}", status_code=203)
def inner_one(x: int, request: Request):
    return [x, getattr(request.state, "seen", None), request.url.path]


outer = APIRouter(prefix="/outer", dependencies=[Depends(record)], default_response_class=JSONResponse)


@outer.get("/own")
def outer_own(request: Request):
    return request.state.seen


@outer.api_route("/any", methods=["GET", "DELETE"])
async def outer_any(request: Request):
    return request.method


outer.include_router(inner)
app.include_router(outer)
app.include_router(inner, prefix="/v1/{tenant}")
app.include_router(outer, prefix="/again")

plain = APIRouter(default_response_class=PlainTextResponse, redirect_slashes=False)


@plain.get("/plain-router")
def plain_router():
    return "plain"


@plain.post("/plain-router/{n}")
def plain_router_post(n: int):
    return str(n)


app.include_router(plain)


@app.get("/after-include/{tenant}")
def tenant(tenant: Annotated[str, Path(max_length=3)]):
    return tenant


# Injected


@app.get("/request/{x}")
async def request_info(request: Request, x: str):
    return {
        "method": request.method,
        "url": str(request.url),
        "base": str(request.base_url),
        "path": request.url.path,
        "path_params": request.path_params,
        "query": request.query_params.multi_items(),
        "headers": sorted(request.headers.items()),
        "cookies": request.cookies,
        "scope": sorted(key for key in request.scope if not key.startswith(("fastapi", "starlette."))),
        "raw_path": request.scope["raw_path"].decode("latin-1"),
        "query_string": request.scope["query_string"].decode("latin-1"),
        "root_path": request.scope["root_path"],
        "http_version": request.scope["http_version"],
        "scheme": request.scope["scheme"],
        "type": request.scope["type"],
        "endpoint": request.scope["endpoint"].__name__,
        "state": request.state.from_lifespan,
        "client": request.client.host if request.client else None,
    }


@app.get("/connection")
def connection(conn: HTTPConnection):
    return [type(conn).__name__, conn.url.path]


@app.get("/state")
def state(request: Request):
    request.app.state.hits += 1
    return [request.app.state.started, request.app.state.hits, request.app.title]


@app.get("/url-for")
def url_for(request: Request):
    return [
        str(request.url_for("users_one", user_id=3)),
        str(request.url_for("conv_path", p="a/b")),
        app.url_path_for("root"),
        [[route.name, route.path, sorted(route.methods or [])] for route in app.routes if isinstance(route, Route)],
    ]


@app.post("/body-stream")
async def body_stream(request: Request):
    sizes = 0
    async for chunk in request.stream():
        sizes += len(chunk)
    return sizes


@app.get("/response-only")
def response_only(response: Response, request: Request):
    response.headers["X-Method"] = request.method
    return Response("own", headers={"X-Own": "1"})


# Errors


@app.get("/boom")
def boom():
    raise RuntimeError("boom")


@app.get("/boom-async")
async def boom_async():
    raise RuntimeError("boom")


@app.get("/not-found")
def not_found():
    raise HTTPException(status.HTTP_404_NOT_FOUND, detail="Item not found", headers={"X-Error": "none"})


@app.get("/validation-error")
def validation_error():
    raise RequestValidationError([{"type": "made", "loc": ("here",), "msg": "up", "input": 1}])


class Teapot(Exception):
    pass


@app.exception_handler(Teapot)
async def on_teapot(request: Request, error: Teapot):
    return JSONResponse({"teapot": str(error), "path": request.url.path}, status_code=418)


@app.get("/teapot")
def teapot(how: Annotated[str, Query()] = "tall"):
    raise Teapot(how)


class Item(BaseModel):
    n: int


@app.post("/items")
def items(item: Item, x: Annotated[int, Body()] = 1):
    return [item, x]
