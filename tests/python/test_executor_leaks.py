"""References of the executor: what a request made is gone after it, and nothing more."""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from fastrapi import BackgroundTasks, Cookie, Depends, FastAPI, Form, Header, HTTPException, Query, Request, Response

REQUESTS = 300
app = FastAPI()


class Item(BaseModel):
    number: int
    words: list[str] = []


class OurError(Exception):
    pass


@app.exception_handler(OurError)
async def on_our_error(request: Request, exc: Exception) -> Response:
    return Response("ours", 418)


def generator(q: int = 0) -> Iterator[int]:
    yield q


async def async_generator(q: int = 0) -> AsyncIterator[int]:
    yield q


@app.get("/get/{x}")
async def get(
    x: int,
    a: Annotated[int, Depends(generator)],
    b: Annotated[int, Depends(async_generator)],
    header: Annotated[str | None, Header()] = None,
    cookie: Annotated[str | None, Cookie()] = None,
    many: Annotated[list[int], Query()] = [],  # noqa: B006
) -> dict[str, int]:
    if x == 1:
        raise HTTPException(409)
    if x == 2:
        raise OurError
    if x == 3:
        raise KeyError(x)
    if x == 4:
        await asyncio.sleep(0)
    return {"x": x}


@app.post("/item")
async def item(item: Item, tasks: BackgroundTasks, response: Response) -> Item:
    tasks.add_task(len, "")
    response.headers["x-y"] = "z"
    return item


@app.post("/def")
def in_thread(item: Item, x: Annotated[int, Depends(generator)]) -> int:
    return item.number


@app.post("/form")
async def form(a: Annotated[str, Form()], b: Annotated[int, Form()] = 1) -> list[Any]:
    return [a, b]


@app.get("/wrong", response_model=Item)
async def wrong() -> Any:
    return {"number": "none"}


@app.get("/file/{name}.{ext}")
async def regex(name: str, ext: int) -> list[Any]:
    return [name, ext]


@app.get("/request")
async def whole(request: Request) -> str:
    return str(request.url)


JSON = [(b"content-type", b"application/json")]
FORM = [(b"content-type", b"application/x-www-form-urlencoded")]
CASES: list[tuple[int, str, str, bytes, bytes, list[tuple[bytes, bytes]]]] = [
    (200, "GET", "/get/0", b"q=1&many=1&many=%32", b"", []),
    (200, "GET", "/get/0", b"", b"", [(b"header", b"1"), (b"cookie", b'cookie="1"; x=2')]),
    (200, "GET", "/get/4", b"", b"", []),
    (409, "GET", "/get/1", b"", b"", []),
    (418, "GET", "/get/2", b"", b"", []),
    (500, "GET", "/get/3", b"", b"", []),
    (422, "GET", "/get/x", b"q=\xff&many=y", b"", []),
    (200, "POST", "/item", b"", b'{"number":1,"words":["a"]}', JSON),
    (422, "POST", "/item", b"", b'{"number":"z"}', JSON),
    (422, "POST", "/item", b"", b'{"number"', JSON),
    (422, "POST", "/item", b"", b"", []),
    (200, "POST", "/def", b"q=3", b'{"number":2}', JSON),
    (200, "POST", "/form", b"", b"a=1&b=2", FORM),
    (422, "POST", "/form", b"", b"b=x", FORM),
    (500, "GET", "/wrong", b"", b"", []),
    (200, "GET", "/file/q.5", b"", b"", []),
    (422, "GET", "/file/q.x", b"", b"", []),
    (200, "GET", "/request", b"", b"", []),
    (307, "GET", "/request/", b"", b"", []),
    (404, "GET", "/nothing", b"", b"", []),
    (405, "POST", "/request", b"", b"", []),
]


async def ask(method: str, path: str, query: bytes, body: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if "status" in message:
            statuses.append(message["status"])

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    scope |= {"server": ("host", 1), "scheme": "http"}
    try:
        await app(scope, receive, send)
    except Exception:
        assert statuses == [500]
    return statuses[0]


def counts() -> tuple[int, int, int, int]:
    gc.collect()
    return sys.getallocatedblocks(), sys.getrefcount(None), sys.getrefcount(True), sys.getrefcount("type")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]} {case[2]}")
def test_nothing_is_kept(case: Any) -> None:
    status, *request = case

    async def many(n: int) -> None:
        for _ in range(n):
            assert await ask(*request) == status

    async def main() -> list[int]:
        await many(REQUESTS)  # imports, caches, placement
        best = [10**9] * 4
        for _ in range(3):  # others may use memory for the first time meanwhile
            before = counts()
            await many(REQUESTS)
            best = [min(old, abs(b - a)) for old, a, b in zip(best, before, counts(), strict=True)]
        return best

    logging.disable(logging.CRITICAL)
    try:
        changes = asyncio.run(main())
    finally:
        logging.disable(logging.NOTSET)
    assert max(changes) < REQUESTS / 3, dict(zip(["blocks", "None", "True", "'type'"], changes, strict=True))
