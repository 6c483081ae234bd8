"""The application of the benchmark: the same source for FastrAPI and for FastAPI."""

try:
    from fastrapi import APIRouter, Depends, FastAPI
except ImportError:
    from fastapi import APIRouter, Depends, FastAPI
import time
from typing import Annotated, Any

from pydantic import BaseModel

app = FastAPI()


@app.get("/")
def plain():
    return {"Hello": "World"}


@app.get("/thread")
def in_a_thread():
    time.sleep(0)  # so that FastrAPI, too, runs it in a thread
    return {"Hello": "World"}


@app.get("/async")
async def plain_async():
    return {"Hello": "World"}


@app.get("/items/{item_id}")
async def item(item_id: int, q: str, limit: int = 10):
    return {"item_id": item_id, "q": q, "limit": limit}


async def settings(locale: str = "en"):
    return {"locale": locale}


async def pager(config: Annotated[dict, Depends(settings)], page: int = 1):
    return (config["locale"], page)


@app.get("/deps")
async def nested(where: Annotated[tuple, Depends(pager)]):
    return {"locale": where[0], "page": where[1]}


class Order(BaseModel):
    name: str
    price: float
    tags: list[str] = []
    note: str | None = None


@app.post("/orders")
async def order(order: Order) -> Order:
    return order


def nested_routers(depth: int = 10) -> APIRouter:
    inner = APIRouter()

    @inner.get("/leaf/{n}")
    async def leaf(n: int):
        return {"leaf": n}

    for level in reversed(range(depth)):
        outer = APIRouter()
        outer.include_router(inner, prefix=f"/r{level}")
        inner = outer
    return inner


app.include_router(nested_routers())

CATALOGUE: list[dict[str, Any]] = [
    {"id": n, "name": f"chair number {n}", "price": n * 1.25, "tags": ["oak", "grey"], "sold": n % 2 == 0, "note": None}
    for n in range(84)
]


@app.get("/catalogue")
async def catalogue():
    return CATALOGUE
