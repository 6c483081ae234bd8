"""Handlers that look at how a request and an answer travel."""

import asyncio
import hashlib
import os

from fastrapi import BackgroundTasks, Body, FastrAPI, Request
from fastrapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse

app = FastrAPI()
seen = []
progress = {"sent": 0}


@app.get("/")
def root():
    return {"Hello": "World"}


@app.get("/async")
async def root_async():
    return {"Hello": "World"}


@app.get("/turn")
async def turn(seconds: float = 0):
    """Gives asyncio something to do."""
    await asyncio.sleep(seconds)
    return seconds


@app.post("/sum-later")
async def digest_later(request: Request):
    await asyncio.sleep(0.3)
    return await digest(request)


@app.get("/announce")
async def announce(length: str):
    return Response(b"xyz", headers={"content-length": length})


@app.get("/status")
async def status(response: Response, code: int):
    response.status_code = code


@app.get("/pid")
async def pid():
    return os.getpid()


@app.post("/sum")
async def digest(request: Request):
    """Reads the body as it comes."""
    hash, size, pieces = hashlib.sha256(), 0, 0
    async for piece in request.stream():
        hash.update(piece)
        size += len(piece)
        pieces += 1
    return {"sha256": hash.hexdigest(), "size": size, "many": pieces > 1}


@app.post("/echo")
async def echo(body: bytes = Body(media_type="application/octet-stream")):
    return {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}


@app.post("/json")
async def json(value: dict):
    return value


@app.get("/stream")
async def stream(pieces: int = 3, size: int = 10):
    async def make():
        for n in range(pieces):
            yield bytes([65 + n % 26]) * size

    return StreamingResponse(make(), media_type="text/plain")


@app.get("/endless")
async def endless():
    """Until the client leaves; /progress tells how far it came."""

    async def make():
        while True:
            yield b"x" * 65536
            progress["sent"] += 65536

    return StreamingResponse(make())


@app.get("/progress")
async def show_progress():
    return progress["sent"]


@app.get("/tasks")
async def show_tasks():
    return len(asyncio.all_tasks())


@app.get("/file")
async def file():
    return FileResponse(__file__, media_type="text/x-python")


@app.get("/cookie")
async def cookie():
    response = PlainTextResponse("ok")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@app.get("/empty", status_code=204)
async def empty():
    return None


@app.get("/header")
async def header(value: str):
    return Response("x", headers={"X-Value": value})


@app.get("/background")
async def background(tasks: BackgroundTasks):
    tasks.add_task(seen.append, "background")
    return "sent"


@app.get("/wait")
async def wait(request: Request):
    """Waits for the client to leave."""
    seen.append("waits")
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    seen.append("left")


@app.get("/seen")
async def show():
    return seen


@app.get("/scope")
async def scope(request: Request):
    s = request.scope
    return {
        "type": s["type"],
        "asgi": s["asgi"],
        "http_version": s["http_version"],
        "server": s["server"],
        "client": s["client"] and [s["client"][0], isinstance(s["client"][1], int)],
        "scheme": s["scheme"],
        "root_path": s["root_path"],
        "path": s["path"],
        "raw_path": s["raw_path"].decode(),
        "query_string": s["query_string"].decode(),
        "headers": [[name.decode(), value.decode()] for name, value in s["headers"]],
        "method": s["method"],
    }


async def raw(scope, receive, send):
    """An ASGI application; the query says what it does."""
    if scope["type"] != "http":
        return
    what = scope["query_string"]
    if what == b"body":
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Upper", b"1")]})
        await send({"type": "http.response.body", "body": body[::-1]})
    elif what == b"silent":
        return
    elif what == b"early":
        await send({"type": "http.response.body", "body": b""})
    elif what == b"longer":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"22"})
    elif what == b"iterators":
        values = [(b"x-%d" % i, b"value %d" % i) for i in range(20)]
        headers = ((bytes(bytearray(part)) for part in pair) for pair in values)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})
    elif what == b"after":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        seen.append((await receive())["type"])
        try:
            await send({"type": "http.response.body", "body": b"more"})
        except RuntimeError as error:
            seen.append(str(error))


app.mount("/raw", raw)
