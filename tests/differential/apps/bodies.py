"""Bodies: models, several of them, embedded ones, scalars, and what JSON can do wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional, Union
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field, field_validator, model_validator
from typing_extensions import NotRequired, TypedDict

from fastrapi import Body, FastrAPI, Query, Request

app = FastrAPI()


class Kind(str, Enum):
    a = "a"
    b = "b"


class Item(BaseModel):
    name: str
    price: float
    description: str | None = None
    tags: list[str] = []


class User(BaseModel):
    username: str = Field(min_length=3, max_length=20)
    email: EmailStr | None = None


@app.post("/item")
def item(item: Item):
    return item


@app.put("/item/{item_id}")
async def put_item(item_id: int, item: Item, q: str | None = None):
    return {"item_id": item_id, **item.model_dump(), "q": q}


@app.patch("/item")
def patch_item(item: Item):
    return item.model_dump(exclude_unset=True)


@app.delete("/item")
def delete_item(item: Item):
    return item.name


@app.api_route("/get-with-body", methods=["GET"])
def get_with_body(item: Item):
    return item


@app.post("/optional")
def optional(item: Optional[Item] = None):
    return {"item": item}


@app.post("/optional-default")
def optional_default(item: Annotated[Item | None, Body()] = Item(name="d", price=1)):  # noqa: B008
    return {"item": item}


@app.post("/two")
def two(item: Item, user: User):
    return {"item": item, "user": user}


@app.post("/two-optional")
def two_optional(item: Item | None = None, user: User | None = None):
    return {"item": item, "user": user}


@app.post("/several/{item_id}")
def several(
    item_id: int,
    item: Item,
    user: User,
    importance: Annotated[int, Body(gt=0)],
    note: Annotated[str, Body(alias="the-note")] = "none",
    q: Annotated[str | None, Query()] = None,
):
    return {"item_id": item_id, "item": item, "user": user, "importance": importance, "note": note, "q": q}


@app.post("/embed")
def embed(item: Annotated[Item, Body(embed=True)]):
    return item


@app.post("/embed-default-style")
def embed_default_style(item: Item = Body(..., embed=True)):
    return item


@app.post("/embed-optional")
def embed_optional(n: Annotated[int | None, Body(embed=True, ge=0)] = None):
    return {"n": n}


@app.post("/scalar/int")
def scalar_int(n: Annotated[int, Body()]):
    return {"n": n, "type": type(n).__name__}


@app.post("/scalar/str")
def scalar_str(s: str = Body(max_length=5)):
    return {"s": s}


@app.post("/scalar/bool")
def scalar_bool(b: bool = Body(False)):
    return {"b": b}


@app.post("/scalar/float")
def scalar_float(f: Annotated[float, Body()]):
    return {"f": repr(f)}


@app.post("/scalar/bytes")
def scalar_bytes(b: Annotated[bytes, Body()]):
    return {"b": repr(b)}


@app.post("/scalar/datetime")
def scalar_datetime(d: Annotated[datetime | str, Body()]):
    return {"d": repr(d)}


@app.post("/any")
def any_body(value: Any = Body()):
    return {"value": repr(value)}


@app.post("/any-echo")
def any_echo(value: Any = Body(None)):
    return value


@app.post("/any-echo-typed")
def any_echo_typed(value: Any = Body(None)) -> Any:
    return value


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")
    value: Any


@app.post("/any-echo-model")
async def any_echo_model(value: Anything) -> Anything:
    return value


@app.post("/dict")
def dict_body(value: dict[str, int]):
    return value


@app.post("/dict-int-keys")
def dict_int_keys(value: dict[int, float]):
    return {"repr": repr(value), "value": value}


@app.post("/plain-dict")
def plain_dict(value: dict):
    return {"value": repr(value)}


@app.post("/list")
def list_body(items: list[Item]):
    return items


@app.post("/list-int")
def list_int(values: list[int]):
    return {"sum": sum(values), "values": values}


@app.post("/set")
def set_body(values: set[int]):
    return sorted(values)


@app.post("/tuple")
def tuple_body(values: tuple[int, str] = Body()):
    return values


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


@app.post("/union")
def union(value: Union[Item, User]):
    return [type(value).__name__, value]


@app.post("/discriminated")
def discriminated(pet: Annotated[Union[Cat, Dog], Field(discriminator="kind")] = Body()):
    return [type(pet).__name__, pet]


class Times(BaseModel):
    at: datetime | str
    span: timedelta | None = None


@app.post("/datetime-or-str")
def datetime_or_str(value: Times):
    return [repr(value.at), repr(value.span)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    n: int
    f: float = 0.0
    s: str = ""
    b: bool = False
    at: datetime | None = None
    kind: Kind | None = None
    id: UUID | None = None
    t: tuple[int, ...] = ()


@app.post("/strict")
def strict(value: Strict):
    return value


class StrictField(BaseModel):
    n: Annotated[int, Field(strict=True)]
    loose: int = 0


@app.post("/strict-field")
def strict_field(value: StrictField):
    return value


class Blob(BaseModel):
    data: bytes
    more: bytes | None = None


@app.post("/bytes")
def bytes_body(value: Blob):
    return {"data": repr(value.data), "more": repr(value.more)}


class B64(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")
    data: bytes


@app.post("/bytes-base64")
def bytes_base64(value: B64):
    return {"data": repr(value.data)}


class Numbers(BaseModel):
    i: int = 0
    f: float = 0.0
    d: Decimal = Decimal(0)
    b: bool = False
    s: str = ""


@app.post("/numbers")
def numbers(value: Numbers):
    return [repr(value.i), repr(value.f), repr(value.d), repr(value.b), repr(value.s)]


class Forbid(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int


@app.post("/forbid")
def forbid(value: Forbid):
    return value


class Allow(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 0


@app.post("/allow")
def allow(value: Allow):
    return value


class Aliases(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    first: int = Field(alias="First")
    second: int = Field(2, validation_alias="Second", serialization_alias="SECOND")


@app.post("/aliases")
def aliases(value: Aliases):
    return value


class Checked(BaseModel):
    a: int
    b: int

    @field_validator("a")
    @classmethod
    def even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("a must be even")
        return value

    @field_validator("b", mode="before")
    @classmethod
    def lengths(cls, value: Any) -> Any:
        return len(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def ordered(self) -> Checked:
        assert self.a <= self.b, "a must not exceed b"
        return self


@app.post("/checked")
def checked(value: Checked):
    return value


class Node(BaseModel):
    value: int
    children: list[Node] = []


@app.post("/tree")
def tree(node: Node):
    return node


class Deep(BaseModel):
    items: dict[str, list[Item]]
    kind: Kind = Kind.a
    owner: User | None = None


@app.post("/deep")
def deep(value: Deep):
    return value


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


@app.post("/typed-dict")
def typed_dict(movie: Movie):
    return movie


@dataclass
class Point:
    x: int
    y: int = 0


@app.post("/dataclass")
def dataclass_body(point: Point):
    return point


@app.post("/raw")
async def raw(request: Request):
    body = await request.body()
    return {"length": len(body), "head": repr(body[:64]), "type": request.headers.get("content-type")}


@app.post("/request-json")
async def request_json(request: Request):
    return {"value": repr(await request.json())}


@app.post("/raw-and-model")
async def raw_and_model(item: Item, request: Request):
    return {"item": item, "length": len(await request.body())}


@app.post("/no-body/{n}")
def no_body(n: int):
    return n
