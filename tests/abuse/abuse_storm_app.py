"""What a storm of clients goes through: long answers, long bodies, threads, mounted applications.

`plain` and `wrapped` are the same routes, the second behind middleware.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import tempfile
import time

from fastrapi import BackgroundTasks, Body, Depends, FastrAPI, File, Form, Request, UploadFile
from fastrapi.responses import FileResponse, StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

FILE = os.path.join(tempfile.gettempdir(), f"storm.{os.getpid()}.bin")
PIECE = b"x" * 16384
seen = contextvars.ContextVar("seen", default=0)


async def resource():
    seen.set(seen.get() + 1)
    try:
        yield seen.get()
    finally:
        await asyncio.sleep(0)


def thread_resource():
    try:
        yield 1
    finally:
        time.sleep(0.0005)


async def raw(scope, receive, send):
    """An ASGI application that reads on while it answers."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-raw", b"1")]})
    for _ in range(20):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        message = await asyncio.wait_for(asyncio.ensure_future(receive()), 5)
        if message["type"] == "http.disconnect":
            return
    await send({"type": "http.response.body"})


def make() -> FastrAPI:
    app = FastrAPI()

    @app.get("/")
    async def root(value: int = Depends(resource)):
        return {"ok": True}

    @app.get("/long")
    async def long(pieces: int = 200):
        async def generate():
            for _ in range(pieces):
                yield PIECE

        return StreamingResponse(generate())

    @app.get("/long-thread")
    def long_thread(value: int = Depends(thread_resource)):
        return StreamingResponse(PIECE for _ in range(50))

    @app.get("/file")
    async def file():
        return FileResponse(FILE)

    @app.post("/slow-reader")
    async def slow_reader(request: Request):
        size = 0
        async for piece in request.stream():
            size += len(piece)
            await asyncio.sleep(0.001)
        return {"size": size}

    @app.post("/json")
    def take(data: dict = Body()):
        return data

    @app.post("/form")
    async def form(name: str = Form(), file: UploadFile = File()):
        return {"name": name, "size": len(await file.read())}

    @app.get("/both")
    async def both(request: Request, tasks: BackgroundTasks):
        tasks.add_task(asyncio.sleep, 0.001)
        inner = asyncio.ensure_future(asyncio.sleep(0.002))
        gone = await request.is_disconnected()
        await inner
        return {"gone": gone}

    @app.get("/cancel")
    async def cancel():
        """Its task is cancelled from within."""
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        await asyncio.sleep(1)

    @app.get("/thread")
    def thread():
        time.sleep(0.001)
        return {"thread": True}

    app.mount("/raw", raw)
    return app


class Pass(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        answer = await call_next(request)
        answer.headers["x-passed"] = "1"
        return answer


with open(FILE, "wb") as out:
    out.write(os.urandom(300000))
plain = make()
wrapped = make()
wrapped.add_middleware(Pass)
