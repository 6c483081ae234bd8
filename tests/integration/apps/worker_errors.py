"""Handlers that fail."""

import asyncio
import os
import sys

from fastrapi import FastrAPI
from fastrapi.responses import StreamingResponse

app = FastrAPI()


@app.get("/pid")
async def pid():
    return os.getpid()


@app.get("/def")
def fail_def():
    raise ValueError("in a def")


@app.get("/async")
async def fail_async():
    raise ValueError("in an async def")


@app.get("/later")
async def fail_later():
    await asyncio.sleep(0.01)
    raise ValueError("after a wait")


@app.get("/exit")
async def leave():
    sys.exit(7)


@app.get("/exit-later")
async def leave_later():
    await asyncio.sleep(0.01)
    sys.exit(8)


@app.get("/exit-def")
def leave_def():
    sys.exit(9)


@app.get("/interrupt")
async def interrupt():
    await asyncio.sleep(0.01)
    raise KeyboardInterrupt


@app.get("/cancelled")
async def cancelled():
    raise asyncio.CancelledError("by itself")


class Base(BaseException):
    pass


@app.get("/base")
async def base():
    await asyncio.sleep(0)
    raise Base("in an async def")


@app.get("/base-def")
def base_def():
    raise Base("in a def")


@app.get("/stream")
async def stream():
    async def make():
        yield b"begun"
        raise ValueError("in the middle")

    return StreamingResponse(make())


@app.get("/task")
async def orphan():
    async def fail():
        raise ValueError("in a task that nobody awaits")

    asyncio.create_task(fail())
    return "started"
