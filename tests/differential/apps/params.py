"""Parameters: path, query, header and cookie, in both styles."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, Optional, Union
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, Json

from fastrapi import Cookie, FastrAPI, Header, Path, Query

app = FastrAPI()


class Color(str, Enum):
    red = "red"
    dark_blue = "dark blue"


class Level(IntEnum):
    low = 1
    high = 10


def show(**values: Any) -> dict[str, Any]:
    """Values with their types, so that "1" and 1 differ in the answer."""
    return {name: [type(value).__name__, repr(value)] for name, value in values.items()}


# Path


@app.get("/path/int/{value}")
def path_int(value: int):
    return show(value=value)


@app.get("/path/float/{value}")
async def path_float(value: float):
    return show(value=value)


@app.get("/path/bool/{value}")
def path_bool(value: bool):
    return show(value=value)


@app.get("/path/str/{value}")
async def path_str(value: str):
    return {"value": value}


@app.get("/path/uuid/{value}")
def path_uuid(value: UUID):
    return {"value": value}


@app.get("/path/color/{value}")
def path_color(value: Color):
    return {"value": value}


@app.get("/path/level/{value}")
def path_level(value: Level):
    return {"value": value}


@app.get("/path/literal/{value}")
def path_literal(value: Literal["a", "b", "1"]):
    return {"value": value}


@app.get("/path/bounded/{value}")
def path_bounded(value: Annotated[int, Path(ge=1, le=100, multiple_of=5)]):
    return show(value=value)


@app.get("/path/default-style/{value}")
def path_default_style(value: int = Path(gt=0, lt=10, title="A number")):
    return show(value=value)


@app.get("/path/two/{first}/{second}")
def path_two(second: int, first: str):
    return show(first=first, second=second)


@app.get("/path/aliased/{from_}")
def path_aliased(value: Annotated[str, Path(alias="from_", min_length=2, pattern="^[a-z]+$")]):
    return show(value=value)


@app.get("/path/any/{value}")
def path_any(value):
    return show(value=value)


# Query


@app.get("/query/int")
def query_int(q: int):
    return show(q=q)


@app.get("/query/float")
def query_float(q: float = 1.5):
    return show(q=q)


@app.get("/query/bool")
async def query_bool(q: bool = False):
    return show(q=q)


@app.get("/query/str")
async def query_str(q: str = "none"):
    return {"q": q, "length": len(q)}


@app.get("/query/optional")
def query_optional(q: Optional[int] = None, r: int | None = None):
    return show(q=q, r=r)


@app.get("/query/required-optional")
def query_required_optional(q: int | None):
    return show(q=q)


@app.get("/query/constrained")
def query_constrained(
    q: Annotated[str | None, Query(min_length=3, max_length=5, pattern="^[a-z ]*$")] = None,
    n: Annotated[float, Query(gt=0, le=1e3)] = 1,
):
    return show(q=q, n=n)


@app.get("/query/default-style")
def query_default_style(q: str = Query("dft", max_length=8), n: int = Query(..., ge=0)):
    return show(q=q, n=n)


@app.get("/query/alias")
def query_alias(q: Annotated[int, Query(alias="item-query")] = 0):
    return show(q=q)


@app.get("/query/validation-alias")
def query_validation_alias(q: Annotated[int, Query(validation_alias="va")] = 0):
    return show(q=q)


@app.get("/query/list")
def query_list(q: Annotated[list[int], Query()] = []):  # noqa: B006
    return show(q=q)


@app.get("/query/list-required")
def query_list_required(q: list[str] = Query()):
    return {"q": q}


@app.get("/query/list-bounded")
def query_list_bounded(q: Annotated[list[str] | None, Query(min_length=2, max_length=3)] = None):
    return {"q": q}


@app.get("/query/set")
def query_set(q: Annotated[set[int], Query()] = set()):  # noqa: B006
    return {"q": sorted(q)}


@app.get("/query/tuple")
def query_tuple(q: Annotated[tuple[int, str], Query()]):
    return {"q": q}


@app.get("/query/union")
def query_union(q: Union[int, float, str] = "x"):
    return show(q=q)


@app.get("/query/datetime-or-str")
def query_datetime_or_str(q: datetime | str):
    return show(q=q)


@app.get("/query/int-or-color")
def query_int_or_color(q: int | Color):
    return show(q=q)


@app.get("/query/color")
def query_color(q: Color = Color.red, n: Level = Level.low):
    return {"q": q, "n": n}


@app.get("/query/literal")
def query_literal(q: Literal["one", "two"] = "one"):
    return {"q": q}


@app.get("/query/dates")
def query_dates(
    at: datetime | None = None, on: date | None = None, clock: time | None = None, span: timedelta | None = None
):
    return {"at": at, "on": on, "clock": clock, "span": span}


@app.get("/query/decimal")
def query_decimal(q: Annotated[Decimal, Query(max_digits=6, decimal_places=2)]):
    return show(q=q) | {"value": q}


@app.get("/query/bytes")
def query_bytes(q: bytes = b""):
    return show(q=q)


@app.get("/query/json")
def query_json(q: Annotated[Json[list[int]], Query()]):
    return show(q=q)


@app.get("/query/any")
def query_any(q, r=None, s: Any = 3):
    return show(q=q, r=r, s=s)


def short(value: str) -> str:
    if len(value) > 4:
        raise ValueError("too long for me")
    return value.upper()


@app.get("/query/function")
def query_function(q: Annotated[str, AfterValidator(short)]):
    return {"q": q}


@app.get("/query/strict")
def query_strict(q: Annotated[int, Query(strict=True)]):
    return show(q=q)


@app.get("/query/factory")
def query_factory(q: Annotated[list[int], Query(default_factory=lambda: [1, 2])]):
    q.append(3)
    return {"q": q}


@app.get("/query/many")
def query_many(a: int, b: float, c: bool, d: str, e: list[int] = Query([]), f: Color = Color.red):
    return show(a=a, b=b, c=c, d=d, e=e, f=f)


class Filter(BaseModel):
    limit: int = Field(100, gt=0, le=100)
    offset: int = Field(0, ge=0)
    order_by: Literal["created", "updated"] = "created"
    tags: list[str] = []


class StrictFilter(Filter):
    model_config = {"extra": "forbid"}


@app.get("/query/model")
def query_model(f: Annotated[Filter, Query()]):
    return f


@app.get("/query/model-forbid")
async def query_model_forbid(f: Annotated[StrictFilter, Query()]):
    return f


class Open(BaseModel):
    model_config = {"extra": "allow"}
    a: int = 1


@app.get("/query/model-allow")
def query_model_allow(f: Annotated[Open, Query()]):
    return f.model_dump()


class Aliased(BaseModel):
    first: int = Field(alias="the-first")
    second: str | None = Field(None, validation_alias="zweite")


@app.get("/query/model-alias")
def query_model_alias(f: Annotated[Aliased, Query()]):
    return {"first": f.first, "second": f.second}


# Header


@app.get("/header/str")
def header_str(x_token: Annotated[str, Header()]):
    return {"x_token": x_token}


@app.get("/header/optional")
def header_optional(user_agent: Annotated[str | None, Header()] = None, x_n: int | None = Header(None)):
    return show(user_agent=user_agent, x_n=x_n)


@app.get("/header/int")
def header_int(x_count: int = Header(ge=0, le=10)):
    return show(x_count=x_count)


@app.get("/header/list")
def header_list(x_item: Annotated[list[int] | None, Header()] = None):
    return {"x_item": x_item}


@app.get("/header/list-str")
def header_list_str(x_item: Annotated[list[str], Header()]):
    return {"x_item": x_item}


@app.get("/header/underscore")
def header_underscore(strange_header: Annotated[str | None, Header(convert_underscores=False)] = None):
    return {"strange_header": strange_header}


@app.get("/header/alias")
def header_alias(value: Annotated[str, Header(alias="X-Other-Name")] = "d"):
    return {"value": value}


class Common(BaseModel):
    model_config = {"extra": "ignore"}
    host: str
    save_data: bool
    if_modified_since: str | None = None
    x_tag: list[str] = []


@app.get("/header/model")
def header_model(h: Annotated[Common, Header()]):
    return h


class Exact(BaseModel):
    model_config = {"extra": "forbid"}
    x_only: int


@app.get("/header/model-forbid")
def header_model_forbid(h: Annotated[Exact, Header()]):
    return h


# Cookie


@app.get("/cookie/str")
def cookie_str(session: Annotated[str | None, Cookie()] = None):
    return {"session": session}


@app.get("/cookie/int")
def cookie_int(n: int = Cookie()):
    return show(n=n)


@app.get("/cookie/two")
def cookie_two(a: Annotated[str, Cookie()], b: Annotated[str, Cookie(max_length=3)] = "b"):
    return {"a": a, "b": b}


@app.get("/cookie/alias")
def cookie_alias(v: Annotated[str, Cookie(alias="my-cookie")] = ""):
    return {"v": v}


class Jar(BaseModel):
    model_config = {"extra": "forbid"}
    session: str
    tracker: int | None = None


@app.get("/cookie/model")
def cookie_model(jar: Annotated[Jar, Cookie()]):
    return jar


@app.get("/mixed/{a}")
def mixed(
    a: int,
    b: Annotated[int, Query()],
    x_c: Annotated[int, Header()],
    d: Annotated[int, Cookie()],
    e: Annotated[Color, Query()] = Color.red,
):
    return show(a=a, b=b, x_c=x_c, d=d, e=e)
