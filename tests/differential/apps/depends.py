"""Dependencies, security, errors and background tasks, with a log that shows the order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Annotated, Any

from pydantic import BaseModel

from fastrapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastrAPI,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
    Security,
)
from fastrapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastrapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

LOG: dict[str, list[Any]] = defaultdict(list)
app = FastrAPI()


@app.get("/log/{key}")
async def log(key: str, n: int) -> list[Any]:
    """The log of one case, once it has n entries; a case too few shows after a second."""
    for _ in range(100):
        if len(LOG[key]) >= n:
            break
        await asyncio.sleep(0.01)
    else:
        await asyncio.sleep(0)
    return LOG.pop(key)


def note(request: Request) -> list[Any]:
    return LOG[request.query_params.get("key", "")]


Log = Annotated[list, Depends(note)]

# Simple and nested


def paging(skip: int = 0, limit: Annotated[int, Query(le=50)] = 10):
    return {"skip": skip, "limit": limit}


@app.get("/simple")
def simple(page: Annotated[dict, Depends(paging)]):
    return page


@app.get("/simple-default-style")
async def simple_default_style(page: dict = Depends(paging), skip: str = "own"):
    return {"page": page, "skip": skip}


async def level_one(a: int):
    return ["one", a]


def level_two(one: Annotated[list, Depends(level_one)], b: int = 2):
    return ["two", one, b]


async def level_three(two: Annotated[list, Depends(level_two)], x_c: Annotated[int, Header()]):
    return ["three", two, x_c]


@app.get("/nested/{a}")
def nested(a: int, three: Annotated[list, Depends(level_three)]):
    return [a, three]


@app.get("/nested-query")
async def nested_query(three: Annotated[list, Depends(level_three)], one: Annotated[list, Depends(level_one)]):
    return [three, one]


class Pager:
    def __init__(self, page: int = 1, size: int = 5) -> None:
        self.page = page
        self.size = size


@app.get("/class")
def class_dep(pager: Annotated[Pager, Depends()]):
    return [pager.page, pager.size]


@app.get("/class-default-style")
def class_dep_default(pager: Pager = Depends(Pager)):
    return vars(pager)


class Checker:
    def __init__(self, word: str) -> None:
        self.word = word

    def __call__(self, q: str = "") -> bool:
        return self.word in q


@app.get("/callable")
def callable_dep(found: Annotated[bool, Depends(Checker("bar"))]):
    return {"found": found}


class Model(BaseModel):
    a: int


def body_dep(model: Model):
    return model


@app.post("/body")
def body(model: Annotated[Model, Depends(body_dep)]):
    return model


@app.post("/body-two")
def body_two(model: Annotated[Model, Depends(body_dep)], other: Annotated[int, Body()]):
    return [model, other]


def cookie_dep(session: Annotated[str | None, Cookie()] = None, q: str | None = None):
    return q or session


@app.get("/cookie-or-query")
def cookie_or_query(value: Annotated[str | None, Depends(cookie_dep)]):
    return {"value": value}


# Cached or not


def counted(log: Log) -> int:
    log.append("counted")
    return len(log)


def via_a(n: Annotated[int, Depends(counted)]):
    return n


def via_b(n: Annotated[int, Depends(counted)]):
    return n


def via_fresh(n: Annotated[int, Depends(counted, use_cache=False)]):
    return n


@app.get("/cached")
def cached(a: Annotated[int, Depends(via_a)], b: Annotated[int, Depends(via_b)], c: Annotated[int, Depends(counted)]):
    return [a, b, c]


@app.get("/uncached")
def uncached(a: Annotated[int, Depends(via_a)], b: Annotated[int, Depends(via_fresh)], c: Annotated[int, Depends(counted, use_cache=False)]):
    return [a, b, c]


# Generators


def gen(name: str, scope: Any = None):
    def dependency(log: Log) -> Iterator[str]:
        log.append(f"{name} enters")
        try:
            yield name
        except BaseException as error:
            log.append(f"{name} sees {type(error).__name__}")
            raise
        finally:
            log.append(f"{name} leaves")

    return Depends(dependency, scope=scope)


def nothing() -> None:
    return None


def agen(name: str, need: Any = Depends(nothing), scope: Any = None):
    async def dependency(log: Log, inner: Any = need) -> AsyncIterator[str]:
        log.append(f"{name} enters after {inner}")
        try:
            yield name
        except BaseException as error:
            log.append(f"{name} sees {type(error).__name__}")
            raise
        finally:
            await asyncio.sleep(0)
            log.append(f"{name} leaves")

    return Depends(dependency, scope=scope)


S1, S2 = gen("sync one"), gen("sync two")
A1 = agen("async one")
A2 = agen("async two", A1)
INNER = agen("inner", S1)
OUTER = agen("outer", INNER)
FUNCTION = gen("function", scope="function")
REQUEST = agen("request", scope="request")


def finish(log: list[Any], how: str) -> Any:
    log.append(f"endpoint {how}")
    if how == "http":
        raise HTTPException(418, detail="from the endpoint")
    if how == "error":
        raise ValueError("from the endpoint")
    if how == "response":
        return PlainTextResponse("direct")
    if how == "bad":
        return object()
    return {"how": how}


@app.get("/gen/one")
def gen_one(log: Log, s: Annotated[str, S1], how: str = "ok"):
    return finish(log, how)


@app.get("/gen/two")
async def gen_two(log: Log, s: Annotated[str, S1], t: Annotated[str, S2], how: str = "ok"):
    return finish(log, how)


@app.get("/gen/async")
async def gen_async(log: Log, a: Annotated[str, A1], b: Annotated[str, A2], how: str = "ok"):
    return finish(log, how)


@app.get("/gen/nested")
def gen_nested(log: Log, o: Annotated[str, OUTER], s: Annotated[str, S1], how: str = "ok"):
    return finish(log, how)


@app.get("/gen/scopes")
async def gen_scopes(log: Log, r: Annotated[str, REQUEST], f: Annotated[str, FUNCTION], tasks: BackgroundTasks, how: str = "ok"):
    tasks.add_task(log.append, "background")
    return finish(log, how)


@app.get("/gen/invalid")
def gen_invalid(log: Log, s: Annotated[str, S1], n: int, t: Annotated[str, S2]):
    return finish(log, "never")


@app.get("/gen/stream")
async def gen_stream(log: Log, r: Annotated[str, A1], f: Annotated[str, FUNCTION]):
    async def chunks() -> AsyncIterator[str]:
        log.append("streaming")
        yield "a"
        await asyncio.sleep(0)
        yield "b"
        log.append("streamed")

    return StreamingResponse(chunks())


def gen_raises_first(log: Log) -> Iterator[int]:
    log.append("raises first")
    raise HTTPException(409, "before the yield")
    yield 1


@app.get("/gen/raises-first")
def gen_raises_first_route(log: Log, s: Annotated[str, S1], r: Annotated[int, Depends(gen_raises_first)]):
    return finish(log, "never")


async def gen_raises_last(log: Log) -> AsyncIterator[int]:
    yield 1
    log.append("raises last")
    raise HTTPException(409, "after the yield")


@app.get("/gen/raises-last-function")
def gen_raises_last_function(log: Log, s: Annotated[str, S1], r: Annotated[int, Depends(gen_raises_last, scope="function")]):
    return finish(log, "ok")


def gen_translates(log: Log) -> Iterator[int]:
    try:
        yield 1
    except ValueError as error:
        log.append("translates")
        raise HTTPException(400, detail=f"translated: {error}") from error


@app.get("/gen/translates")
def gen_translates_route(log: Log, r: Annotated[int, Depends(gen_translates)], how: str = "error"):
    return finish(log, how)


def gen_swallows(log: Log) -> Iterator[int]:
    try:
        yield 1
    except Exception as error:
        log.append(f"swallows {type(error).__name__}")


@app.get("/gen/swallows")
def gen_swallows_route(log: Log, r: Annotated[int, Depends(gen_swallows)], how: str = "error"):
    return finish(log, how)


@app.get("/gen/response")
def gen_response(log: Log, response: Response, s: Annotated[str, S1]):
    response.headers["X-From"] = s
    return "ok"


VAR: ContextVar[str] = ContextVar("VAR", default="unset")


async def sets_var() -> AsyncIterator[None]:
    VAR.set("set by a dependency")
    yield


@app.get("/context-async")
async def context_async(_: Annotated[None, Depends(sets_var)]):
    return VAR.get()


@app.get("/context-sync")
def context_sync(_: Annotated[None, Depends(sets_var)]):
    return VAR.get()


# Response and status from a dependency


def marks(response: Response) -> None:
    response.headers["X-Marked"] = "yes"
    response.set_cookie("marked", "1")
    response.status_code = 202


@app.get("/marked")
def marked(_: Annotated[None, Depends(marks)]):
    return {"ok": True}


@app.get("/marked-direct")
def marked_direct(_: Annotated[None, Depends(marks)]):
    return JSONResponse({"ok": True})


@app.get("/marked-error")
def marked_error(_: Annotated[None, Depends(marks)]):
    raise HTTPException(404)


# For their effect only


def needs_token(x_token: Annotated[str, Header()]) -> str:
    if x_token != "secret":  # noqa: S105
        raise HTTPException(status_code=400, detail="X-Token header invalid")
    return x_token


@app.get("/guarded", dependencies=[Depends(needs_token), Depends(paging)])
def guarded():
    return "in"


router = APIRouter(prefix="/router", dependencies=[Depends(needs_token)], responses={404: {"description": "none"}})


@router.get("/a")
def router_a(n: int):
    return n


@router.get("/b", dependencies=[Depends(paging)])
async def router_b():
    return "b"


app.include_router(router)
app.include_router(router, prefix="/twice", dependencies=[Depends(level_one)])

# Bearer tokens

bearer = HTTPBearer()
lenient = HTTPBearer(auto_error=False, bearerFormat="JWT", description="a token")


@app.get("/bearer")
def bearer_route(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]):
    return credentials


@app.get("/bearer-security")
async def bearer_security(credentials: HTTPAuthorizationCredentials = Security(bearer)):
    return [credentials.scheme, credentials.credentials]


@app.get("/bearer-lenient")
def bearer_lenient(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(lenient)], n: int = 0):
    return {"token": credentials and credentials.credentials, "n": n}


def current_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
    if credentials.credentials != "alice":
        raise HTTPException(401, "Invalid token", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return credentials.credentials


@app.get("/me")
def me(user: Annotated[str, Depends(current_user)], n: int):
    return [user, n]


def scoped(scopes: SecurityScopes):
    return [scopes.scopes, scopes.scope_str]


@app.get("/scopes")
def scopes_route(found: Annotated[list, Security(scoped, scopes=["a", "b"])]):
    return found


# HTTPException


@app.get("/http/{code}")
def http(code: int):
    raise HTTPException(code)


@app.get("/http-detail/{kind}")
async def http_detail(kind: str):
    details: dict[str, Any] = {
        "str": "text é",
        "dict": {"a": [1, None]},
        "list": ["x"],
        "none": None,
        "int": 0,
        "empty": "",
        "float": 1e-7,
        "nan": float("nan"),
        "object": object(),
        "surrogate": "\ud800",
    }
    raise HTTPException(status_code=422, detail=details[kind])


@app.get("/http-headers")
def http_headers():
    raise HTTPException(429, "slow down", headers={"Retry-After": "5", "X-Latin": "caf\xe9", "Set-Cookie": "a=b"})


@app.get("/http-no-body/{code}")
def http_no_body(code: int):
    raise HTTPException(code, detail="gone", headers={"X-A": "1"})


@app.get("/raise/{kind}")
def raises(kind: str):
    if kind == "exit":
        raise SystemError("x")
    raise {"value": ValueError, "key": KeyError, "timeout": TimeoutError, "os": OSError}[kind](kind)


@app.get("/raise-async/{kind}")
async def raises_async(kind: str):
    raise {"value": ValueError, "key": KeyError, "cancelled": asyncio.TimeoutError}[kind](kind)


def broken_dependency():
    raise RuntimeError("broken")


@app.get("/raise-dependency")
def raise_dependency(_: Annotated[None, Depends(broken_dependency)], n: int):
    return n


# Background tasks


async def task(log: list[Any], text: str, *, more: str = "") -> None:
    await asyncio.sleep(0.01)
    log.append(text + more)


def sync_task(log: list[Any], text: str) -> None:
    log.append(text)


@app.post("/background")
def background(log: Log, tasks: BackgroundTasks, text: str = "t"):
    tasks.add_task(task, log, text, more="!")
    tasks.add_task(sync_task, log, "sync")
    log.append("endpoint")
    return {"queued": len(tasks.tasks)}


def adds_task(log: Log, tasks: BackgroundTasks) -> None:
    tasks.add_task(sync_task, log, "from a dependency")


@app.post("/background-dependency")
async def background_dependency(log: Log, _: Annotated[None, Depends(adds_task)], tasks: BackgroundTasks):
    tasks.add_task(task, log, "from the endpoint")
    return "ok"


@app.post("/background-direct")
def background_direct(log: Log, tasks: BackgroundTasks):
    tasks.add_task(sync_task, log, "kept")
    return PlainTextResponse("direct")


@app.post("/background-own")
def background_own(log: Log, tasks: BackgroundTasks):
    own = BackgroundTasks()
    own.add_task(sync_task, log, "own")
    tasks.add_task(sync_task, log, "dropped")
    return PlainTextResponse("own", background=own)


@app.post("/background-error")
def background_error(log: Log, tasks: BackgroundTasks, how: str = "http"):
    tasks.add_task(sync_task, log, "not run")
    return finish(log, how)


def failing(log: list[Any]) -> None:
    log.append("fails")
    raise ValueError("in the background")


@app.post("/background-fails")
def background_fails(log: Log, tasks: BackgroundTasks):
    tasks.add_task(failing, log)
    tasks.add_task(sync_task, log, "after the failure")
    return "ok"


@app.post("/background-gen")
def background_gen(log: Log, tasks: BackgroundTasks, s: Annotated[str, S1], a: Annotated[str, FUNCTION]):
    tasks.add_task(sync_task, log, "task")
    return "ok"
