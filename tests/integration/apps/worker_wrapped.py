"""An application with middleware in front of mounted applications."""

import pathlib

from fastrapi import APIRouter, FastrAPI, Request
from fastrapi.middleware.cors import CORSMiddleware
from fastrapi.middleware.gzip import GZipMiddleware
from fastrapi.responses import PlainTextResponse
from fastrapi.staticfiles import StaticFiles

app = FastrAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"])
app.add_middleware(GZipMiddleware)
app.mount("/static", StaticFiles(directory=pathlib.Path(__file__).parent))

sub = FastrAPI()


@sub.get("/y")
def y():
    return 2


@sub.get("/state")
async def state(request: Request):
    return [request.scope["root_path"], request.url.path]


app.mount("/sub", sub)


async def raw(scope, receive, send):
    await PlainTextResponse(f"{scope['root_path']} {scope['path']}")(scope, receive, send)


app.mount("/raw", raw)


@app.middleware("http")
async def tag(request: Request, call_next):
    seen = request.scope["root_path"] + request.scope["path"]
    if seen == "/refused":
        raise ValueError("by the middleware")
    answer = await call_next(request)
    answer.headers["x-seen"] = seen
    return answer


@app.get("/ready")
def ready():
    return "ready"


@app.get("/big")
async def big():
    return {"text": "x" * 5000}


@app.post("/echo/{n}")
async def echo(n: int, request: Request):
    return [n, len(await request.body())]


router = APIRouter()


@router.get("/fails/{n}")
def fails(n: int):
    raise ValueError(n)


app.include_router(router)
app.include_router(router, prefix="/again")
