"""What clients leave: one route for each way a request can be under way."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Iterator

from fastrapi import Body, Depends, FastrAPI, File, Request, UploadFile
from fastrapi.responses import StreamingResponse

app = FastrAPI()
opened = {"async": 0, "def": 0, "stream": 0, "wait": 0}
closed = dict.fromkeys(opened, 0)


async def async_resource() -> AsyncIterator[None]:
    opened["async"] += 1
    try:
        yield
    finally:
        await asyncio.sleep(0)
        closed["async"] += 1


def def_resource() -> Iterator[None]:
    opened["def"] += 1
    try:
        yield
    finally:
        closed["def"] += 1


@app.get("/")
async def root():
    return {"ok": True}


@app.get("/sleep", dependencies=[Depends(async_resource), Depends(def_resource)])
async def sleep():
    await asyncio.sleep(0.005)
    return {"slept": True}


@app.post("/json", dependencies=[Depends(async_resource)])
async def json_body(a: int = Body(), b: list[str] = Body()):
    await asyncio.sleep(0.001)
    return {"a": a, "b": b}


@app.post("/body")
async def whole_body(request: Request):
    await asyncio.sleep(0)
    return {"size": len(await request.body())}


@app.post("/pieces")
async def pieces(request: Request):
    size = 0
    async for piece in request.stream():
        size += len(piece)
        await asyncio.sleep(0)
    return {"size": size}


@app.post("/upload", dependencies=[Depends(def_resource)])
async def upload(file: UploadFile = File()):
    return {"size": len(await file.read())}


@app.get("/thread")
def thread():
    time.sleep(0.002)
    return {"thread": True}


@app.get("/stream")
async def stream():
    async def letters():
        opened["stream"] += 1
        try:
            for letter in b"abcdefghijklmnopqrstuvwxyz":
                yield bytes([letter])
                await asyncio.sleep(0)
        finally:
            closed["stream"] += 1

    return StreamingResponse(letters(), media_type="text/plain")


@app.get("/wait")
async def wait(request: Request):
    """Answers never; ends when it is told that the client left."""
    opened["wait"] += 1
    while (await request.receive())["type"] != "http.disconnect":
        pass
    closed["wait"] += 1
    return {}


@app.get("/state")
async def state():
    gc.collect()
    kinds: dict[str, int] = {}
    for thing in gc.get_objects():
        name = type(thing).__name__
        if name in ("Run", "Request", "Task", "UploadFile", "StreamingResponse", "coroutine", "async_generator"):
            kinds[name] = kinds.get(name, 0) + 1
    return {
        "kinds": kinds,
        "tasks": len(asyncio.all_tasks()),
        "opened": opened,
        "closed": closed,
        # Within a request: its own connection is always there, and never one that is just being closed.
        "fds": len(os.listdir("/proc/self/fd")),
    }
