"""The application of bench/soak: a route for each way a request can go through a worker."""

import asyncio
import ctypes
import gc
import os
import sys
import time
import zlib

from pydantic import BaseModel

from fastrapi import (
    BackgroundTasks,
    Depends,
    FastrAPI,
    File,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastrapi.responses import FileResponse, StreamingResponse

PIECE = bytes(range(256)) * 64
opened = {"async": 0, "def": 0, "stream": 0, "websocket": 0}
closed = dict.fromkeys(opened, 0)
app = FastrAPI()


class Order(BaseModel):
    name: str
    price: float
    tags: list[str] = []


async def async_resource():
    opened["async"] += 1
    try:
        yield "a"
    finally:
        await asyncio.sleep(0)
        closed["async"] += 1


def def_resource():
    opened["def"] += 1
    try:
        yield "d"
    finally:
        closed["def"] += 1


@app.get("/")
def root():
    return {"hello": "world"}


@app.get("/items/{item_id}")
async def item(item_id: int, q: str = "x"):
    return {"item_id": item_id, "q": q}


@app.get("/deps")
async def deps(first: str = Depends(async_resource), second: str = Depends(def_resource)):
    await asyncio.sleep(0.001)
    return {"got": first + second}


@app.post("/orders")
async def order(order: Order) -> Order:
    return order


@app.get("/thread")
def thread():
    time.sleep(0.002)
    return {"thread": True}


@app.get("/wait")
async def wait(seconds: float = 0.05):
    await asyncio.sleep(seconds)
    return {"waited": True}


@app.get("/stream")
async def stream(pieces: int = 20):
    async def generate():
        opened["stream"] += 1
        try:
            for _ in range(pieces):
                yield PIECE
                await asyncio.sleep(0)
        finally:
            closed["stream"] += 1

    return StreamingResponse(generate())


@app.get("/stream-thread")
def stream_thread(pieces: int = 20):
    return StreamingResponse(PIECE for _ in range(pieces))


@app.get("/big")
async def big(pieces: int = 20):
    return Response(PIECE * pieces)


@app.get("/file")
async def whole_file():
    return FileResponse(os.environ["SOAK_FILE"])


@app.post("/body")
async def body(request: Request):
    data = await request.body()
    return {"size": len(data), "crc": zlib.crc32(data)}


@app.post("/pieces")
async def pieces(request: Request):
    size = crc = 0
    async for piece in request.stream():
        size += len(piece)
        crc = zlib.crc32(piece, crc)
    return {"size": size, "crc": crc}


@app.post("/upload")
async def upload(file: UploadFile = File()):
    data = await file.read()
    return {"size": len(data), "crc": zlib.crc32(data)}


@app.get("/background")
async def background(tasks: BackgroundTasks):
    tasks.add_task(asyncio.sleep, 0.01)
    return {"later": True}


@app.get("/error")
async def error():
    raise RuntimeError("on purpose")


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    opened["websocket"] += 1
    try:
        while True:
            await websocket.send_bytes(await websocket.receive_bytes())
    except WebSocketDisconnect:
        pass
    finally:
        closed["websocket"] += 1


class Mallinfo(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    _fields_ = [(name, ctypes.c_size_t) for name in names]


mallinfo = ctypes.CDLL(None).mallinfo2  # glibc 2.33
mallinfo.restype = Mallinfo


def live() -> int:
    """KiB that are allocated: what of the process's memory is not just kept by malloc for the next."""
    now = mallinfo()
    return (now.uordblks + now.hblkhd + sys.getallocatedblocks() * 64) // 1024


@app.get("/state")
async def state():
    """What is left of requests that have ended."""
    gc.collect()
    left = {kind: opened[kind] - closed[kind] for kind in opened}
    return {"pid": os.getpid(), "tasks": len(asyncio.all_tasks()), "left": left, "live": live()}
