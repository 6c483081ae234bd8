"""The application that the cases expect; README.md lists its routes."""
from fastrapi import FastrAPI, Request, Response, WebSocket, WebSocketDisconnect, UploadFile, File, Form
from fastrapi.responses import FileResponse
from pydantic import BaseModel
import os
import tempfile

app = FastrAPI(openapi_url="/openapi.json")


@app.get("/")
async def root():
    return {"ok": True}


@app.post("/echo")
async def echo(request: Request):
    body = await request.body()
    return Response(body, media_type="application/octet-stream")


@app.get("/items/{item_id}")
async def item(item_id: int, q: str | None = None):
    return {"id": item_id, "q": q}


class Item(BaseModel):
    name: str
    price: float = 0.0
    n: int = 0


@app.post("/json")
async def json_in(obj: dict):
    return {"keys": len(obj)}


@app.post("/model")
async def model(obj: Item):
    return {"name": obj.name}


@app.post("/upload")
async def upload(file: UploadFile = File(...)):
    data = await file.read()
    return {"filename": file.filename, "size": len(data)}


@app.post("/form")
async def form(name: str = Form(...)):
    return {"name": name}


FILE = os.path.join(tempfile.gettempdir(), "abuse.%d.bin" % os.getuid())
with open(FILE, "wb") as f:
    f.write(bytes(i % 251 for i in range(1000)))


@app.get("/file")
async def file_():
    return FileResponse(FILE)


@app.get("/path")
async def path(request: Request):
    return {"path": request.url.path, "query": request.url.query}


@app.websocket("/ws")
async def ws(sock: WebSocket):
    await sock.accept()
    try:
        while True:
            m = await sock.receive()
            if m["type"] == "websocket.disconnect":
                break
            if m.get("text") is not None:
                await sock.send_text(m["text"])
            elif m.get("bytes") is not None:
                await sock.send_bytes(m["bytes"])
    except (WebSocketDisconnect, RuntimeError):
        pass
