"""The application of the benchmark: the same source for FastrAPI and for FastAPI."""

try:
    from fastrapi import Depends, FastAPI
except ImportError:
    from fastapi import Depends, FastAPI
from typing import Annotated

from pydantic import BaseModel

app = FastAPI()


@app.get("/")
def plain():
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
