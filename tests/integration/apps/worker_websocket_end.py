"""WebSocket endpoints whose clients, or whose server, leave while they are at work."""

import asyncio
from pathlib import Path

from fastrapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
seen = []


@app.get("/seen")
async def get_seen():
    return seen


async def opened(gate):
    while not Path(gate).exists():
        await asyncio.sleep(0.01)


@app.websocket("/work")
async def work(ws: WebSocket, seconds: float = 0, gate: str = "/"):
    """Answers each message, some time later, or when the file `gate` is there."""
    await ws.accept()
    try:
        while True:
            text = await ws.receive_text()
            seen.append(["took", text])
            await asyncio.sleep(seconds)
            await opened(gate)
            await ws.send_text(text.upper())
    except WebSocketDisconnect as exc:
        seen.append(["left", exc.code, exc.reason])


@app.websocket("/late")
async def late(ws: WebSocket, seconds: float):
    """Takes its time before it looks."""
    await ws.accept()
    await asyncio.sleep(seconds)
    try:
        async for text in ws.iter_text():
            await ws.send_text(text.upper())
            await ws.send_text("and more")
    finally:
        seen.append(["late ended"])


@app.websocket("/last/{how}")
async def last(ws: WebSocket, how: str):
    """Ends without asking for more than one message."""
    await ws.accept()
    await ws.receive_text()
    await asyncio.sleep(0.2)
    await ws.send_text("last")
    if how == "closes":
        await ws.close(4001, "enough")
    elif how == "fails":
        raise ValueError(how)


@app.websocket("/flood")
async def flood(ws: WebSocket):
    """Sends for ever, once it was told to."""
    await ws.accept()
    await ws.receive_text()
    try:
        while True:
            await ws.send_bytes(b"x" * 65536)
    except WebSocketDisconnect as exc:
        seen.append(["flood", exc.code])


@app.websocket("/slow-accept")
async def slow_accept(ws: WebSocket, gate: str):
    seen.append(["asked"])
    await opened(gate)
    await ws.accept()
    await ws.send_text("welcome")
    try:
        while True:
            await ws.send_text((await ws.receive_text()).upper())
    except WebSocketDisconnect as exc:
        seen.append(["left", exc.code, exc.reason])
