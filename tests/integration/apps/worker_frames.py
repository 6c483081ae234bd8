"""Tells which Python functions of the framework ran in the worker since it was asked last."""

import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import starlette
from pydantic import BaseModel

import fastrapi
from fastrapi import Depends, FastrAPI

FRAMEWORK = tuple(f"{Path(str(module.__file__)).parent}/" for module in (fastrapi, starlette))
frames: list[str] = []


def profile(frame: Any, event: str, arg: Any) -> None:
    if event == "call" and any(part in frame.f_code.co_filename for part in (*FRAMEWORK, __file__)):
        frames.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")


threading.setprofile(profile)  # the thread pool's, which come later
app = FastrAPI()


class Item(BaseModel):
    name: str
    price: float = 1.5


async def inner(t: str = "t") -> str:
    return t


async def outer(x: Annotated[str, Depends(inner)]) -> str:
    return x


def inner_def(t: str = "t") -> str:
    return t


def outer_def(x: Annotated[str, Depends(inner_def)]) -> str:
    return x


@app.get("/ready")
async def ready() -> bool:
    sys.setprofile(profile)  # this thread's
    return True


@app.post("/async/{item_id}")
async def in_async(item_id: int, item: Item, x: Annotated[str, Depends(outer)], q: int = 3) -> dict[str, Any]:
    return {"id": item_id, "item": item.name, "x": x, "q": q}


@app.post("/def/{item_id}")
def in_def(item_id: int, item: Item, x: Annotated[str, Depends(outer_def)], q: int = 3) -> dict[str, Any]:
    return {"id": item_id, "item": item.name, "x": x, "q": q}


@app.post("/model")
async def model(item: Item) -> Item:
    return item


@app.get("/page", include_in_schema=False)
async def page() -> Any:
    from starlette.responses import HTMLResponse

    return HTMLResponse("page")


@app.get("/frames")
async def seen() -> list[str]:
    found = list(frames)
    frames.clear()
    return found
