"""`def` handlers that need a thread, and some that do not."""

import _thread
import asyncio
import os
import threading
import time
import urllib.request

import anyio.from_thread
from fastrapi import FastrAPI

app = FastrAPI()
begun, event = threading.Event(), threading.Event()
blocked: list[str] = []
loop_thread = _thread.get_ident()


@app.get("/quick")
def quick():
    return _thread.get_ident() == loop_thread


@app.get("/async")
async def quick_async():
    return os.getpid()


@app.get("/asyncio-run")
def asyncio_run():
    async def inner():
        await asyncio.sleep(0.001)
        return "ran"

    return asyncio.run(inner())


@app.get("/from-thread")
def from_thread():
    async def inner():
        await asyncio.sleep(0.001)
        return "ran on the loop"

    return anyio.from_thread.run(inner)


@app.get("/own")
def own(port: int):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/async", timeout=10) as answer:
        return int(answer.read()) == os.getpid()


@app.get("/wait")
def wait():
    begun.set()
    return event.wait(60)


@app.get("/waits")
async def waits():
    return begun.is_set()


@app.get("/set")
def set_event():
    event.set()
    return "set"


@app.get("/block")
def block(gate: str = "/"):
    blocked.append(gate)
    time.sleep(0.01)
    while not os.path.exists(gate):
        time.sleep(0.01)
    return "slept"


@app.get("/blocked")
async def count_blocked():
    return len(blocked)  # those that did are among them
