"""Middleware, mounted applications, static files, streams, exception handlers, OpenAPI."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic import BaseModel

from fastrapi import APIRouter, FastrAPI, HTTPException, Request, Response
from fastrapi.exceptions import RequestValidationError
from fastrapi.middleware.cors import CORSMiddleware
from fastrapi.middleware.gzip import GZipMiddleware
from fastrapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastrapi.staticfiles import StaticFiles

app = FastrAPI(title="Wrapped", version="3")
app.add_middleware(CORSMiddleware, allow_origins=["http://good.test"], allow_methods=["GET", "PUT"])
app.add_middleware(GZipMiddleware, minimum_size=200)


class Refused(Exception):
    pass


class Item(BaseModel):
    name: str
    price: float = 1.5


@app.middleware("http")
async def tag(request: Request, call_next: Any) -> Response:
    seen = f"{request.method} {request.scope['root_path']} {request.url.path}"
    if request.url.path == "/stopped":
        return PlainTextResponse("by the middleware", status_code=503)
    answer: Response = await call_next(request)
    answer.headers["x-seen"] = seen
    return answer


@app.exception_handler(Refused)
async def refused(request: Request, exc: Refused) -> JSONResponse:
    return JSONResponse({"refused": str(exc)}, status_code=418)


@app.exception_handler(404)
def missing(request: Request, exc: HTTPException) -> JSONResponse:
    return JSONResponse({"missing": request.url.path}, status_code=404)


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, exc: RequestValidationError) -> JSONResponse:
    return JSONResponse({"wrong": [error["loc"] for error in exc.errors()], "body": exc.body}, status_code=400)


@app.get("/plain")
def plain() -> dict[str, str]:
    return {"hello": "world"}


@app.get("/stopped")
def stopped() -> str:
    return "never"


@app.get("/big")
async def big() -> dict[str, str]:
    return {"text": "long " * 200}


@app.get("/items/{item_id}")
async def item(item_id: int, q: str | None = None) -> dict[str, Any]:
    if item_id == 0:
        raise Refused("zero")
    if item_id == 1:
        raise HTTPException(404, "one")
    if item_id == 2:
        raise HTTPException(409, {"why": "two"}, headers={"x-two": "2"})
    if item_id == 3:
        raise RuntimeError("three")
    return {"id": item_id, "q": q}


@app.post("/items")
async def create(item: Item) -> Item:
    return item


@app.post("/raw")
async def raw(request: Request) -> dict[str, int]:
    return {"bytes": sum([len(piece) async for piece in request.stream()])}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        for n in range(5):
            yield f"piece {n}\n"

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/lines")
def lines() -> Iterator[Item]:
    for n in range(3):
        yield Item(name=f"n{n}")


@app.get("/alines")
async def alines() -> AsyncIterator[dict[str, Any]]:
    for n in range(3):
        yield {"n": n, "text": "é"}


app.mount("/static", StaticFiles(directory=pathlib.Path(__file__).parent / "files"))
app.mount("/pages", StaticFiles(directory=pathlib.Path(__file__).parent / "files", html=True))

sub = FastrAPI(title="Sub")


@sub.get("/here/{n}")
def here(n: int, request: Request) -> list[Any]:
    return [n, request.scope["root_path"], str(request.url_for("here", n=n).path)]


@sub.exception_handler(404)
async def sub_missing(request: Request, exc: HTTPException) -> PlainTextResponse:
    return PlainTextResponse("not in sub", status_code=404)


app.mount("/sub", sub)

router = APIRouter(prefix="/api", tags=["api"])


@router.get("/late")
def late() -> str:
    return "late"


app.include_router(router, responses={418: {"description": "teapot"}})
