"""WebSocket endpoints, and at /seen what they have seen."""

import asyncio
from pathlib import Path
from typing import Annotated

from fastrapi import (
    Cookie, Depends, FastAPI, Header, HTTPException, WebSocket, WebSocketDisconnect,
    WebSocketException, status,
)
from fastrapi.responses import PlainTextResponse

app = FastAPI()
seen = []


@app.get("/")
async def root():
    return {"hello": "world"}


@app.get("/seen")
async def get_seen():
    return seen


@app.websocket("/echo")
async def echo(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            message = await ws.receive()
            if message["type"] == "websocket.disconnect":
                seen.append(["disconnect", message["code"], message.get("reason")])
                break
            if message.get("text") is not None:
                await ws.send_text(message["text"])
            else:
                await ws.send_bytes(message["bytes"])
    finally:
        seen.append(["echo ended"])


@app.websocket("/json")
async def as_json(ws: WebSocket):
    await ws.accept()
    await ws.send_json({"got": await ws.receive_json()})
    await ws.send_json(["binary"], mode="binary")
    await ws.close(4001, "enough")


@app.websocket("/iterate")
async def iterate(ws: WebSocket):
    await ws.accept()
    async for text in ws.iter_text():
        await ws.send_text(text.upper())
    seen.append(["iterated"])


@app.websocket("/handler")
async def handler(ws: WebSocket):
    await ws.accept()
    try:
        await ws.receive_text()
    except WebSocketDisconnect as exc:
        seen.append(["WebSocketDisconnect", exc.code, exc.reason])


async def token(x_token: Annotated[str, Header()], q: int = 0):
    seen.append(["open"])
    yield f"{x_token}/{q}"
    seen.append(["closed"])


@app.websocket("/items/{item_id}")
async def items(ws: WebSocket, item_id: int, t: Annotated[str, Depends(token)],
                session: Annotated[str | None, Cookie()] = None):
    await ws.accept()
    await ws.send_json([item_id, t, session])
    await ws.close()


async def refuse():
    raise WebSocketException(code=status.WS_1008_POLICY_VIOLATION, reason="not you")


@app.websocket("/policy")
async def policy(ws: WebSocket, late: bool = False):
    if late:
        await ws.accept()
    await refuse()


@app.websocket("/http-exception")
async def http_exception(ws: WebSocket):
    raise HTTPException(418, "a teapot", headers={"x-pot": "yes"})


@app.websocket("/denied")
async def denied(ws: WebSocket):
    await ws.receive()
    await ws.send_denial_response(PlainTextResponse("no room", 503))


@app.websocket("/fails")
async def fails(ws: WebSocket, accepted: bool = False):
    if accepted:
        await ws.accept()
    raise ValueError("on purpose")


@app.websocket("/returns")
async def returns(ws: WebSocket):
    await ws.accept()
    await ws.send_text("bye")


@app.websocket("/closes")
async def closes(ws: WebSocket, code: int, reason: str = ""):
    await ws.accept()
    await ws.close(code, reason)


@app.websocket("/protocols")
async def protocols(ws: WebSocket):
    await ws.accept(subprotocol=ws.scope["subprotocols"][-1], headers=[(b"X-Own", b"value")])
    await ws.send_json(ws.scope["subprotocols"])
    await ws.close()


@app.websocket("/scope/{x:path}")
async def scope(ws: WebSocket):
    await ws.accept()
    s = ws.scope
    await ws.send_json({
        "type": s["type"], "http_version": s["http_version"], "scheme": s["scheme"], "path": s["path"],
        "raw_path": s["raw_path"].decode(), "query": s["query_string"].decode(), "root_path": s["root_path"],
        "client": s["client"][0], "server": list(s["server"]), "extensions": s["extensions"],
        "method": s.get("method"), "url": str(ws.url), "asgi": s["asgi"], "x": ws.path_params["x"],
        "headers": [[k.decode(), v.decode()] for k, v in s["headers"] if k == b"x-sent"],
        "state": dict(s["state"]),
    })
    await ws.close()


@app.websocket("/flood")
async def flood(ws: WebSocket, n: int, size: int):
    await ws.accept()
    data = b"x" * size
    for i in range(n):
        await ws.send_bytes(data)
        seen[:] = [i + 1]
    await ws.close()


@app.websocket("/slow")
async def slow(ws: WebSocket, gate: str):
    await ws.accept()
    while not Path(gate).exists():
        await asyncio.sleep(0.01)
    n = 0
    async for data in ws.iter_bytes():
        n += len(data)
        await ws.send_text(str(n))


@app.websocket("/endless")
async def endless(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            await ws.send_text("tick")
            await asyncio.sleep(0.01)
    except WebSocketDisconnect as exc:
        seen.append(["sender", exc.code])


@app.websocket("/waits")
async def waits(ws: WebSocket):
    try:
        message = await ws.receive()
        seen.append(["waits began"])
        message = await ws.receive()
        seen.append([message["type"], message["code"]])
    finally:
        seen.append(["waits ended"])


@app.websocket("/after")
async def after(ws: WebSocket):
    await ws.accept()
    try:
        await ws.receive_text()
    except WebSocketDisconnect:
        pass
    try:
        await ws.send_text("too late")
    except Exception as exc:
        seen.append([type(exc).__name__])
