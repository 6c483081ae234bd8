"""Every scalar type at every place, with and without constraints."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from fastrapi import Cookie, FastrAPI, Form, Header, Path, Query

app = FastrAPI()


class Color(str, Enum):
    red = "red"
    green = "green"
    blue = "1"


class Level(IntEnum):
    low = 1
    high = 20


TYPES: dict[str, Any] = {
    "int": int,
    "int-bounded": Annotated[int, Field(ge=-100, lt=1000, multiple_of=3)],
    "float": float,
    "float-bounded": Annotated[float, Field(gt=-1.5, le=1e6)],
    "float-finite": Annotated[float, Field(allow_inf_nan=False)],
    "bool": bool,
    "str": str,
    "str-bounded": Annotated[str, Field(min_length=2, max_length=6)],
    "str-pattern": Annotated[str, Field(pattern=r"^[a-z0-9-]+$")],
    "uuid": UUID,
    "datetime": datetime,
    "date": date,
    "time": time,
    "timedelta": timedelta,
    "decimal": Decimal,
    "decimal-bounded": Annotated[Decimal, Field(max_digits=5, decimal_places=2, gt=0)],
    "color": Color,
    "level": Level,
}


def show(value: Any) -> dict[str, Any]:
    return {"type": type(value).__name__, "repr": repr(value), "value": value}


def add(name: str, kind: Any) -> None:
    """The routes for one type; annotations are set as objects, for they differ by type."""
    model: type[BaseModel] = create_model(f"Body_{name.replace('-', '_')}", value=(kind, ...))

    def by_path(value: Any) -> Any:
        return show(value)

    def by_query(value: Any) -> Any:
        return show(value)

    async def by_header(value: Any) -> Any:
        return show(value)

    def by_cookie(value: Any) -> Any:
        return show(value)

    def by_form(value: Any) -> Any:
        return show(value)

    async def by_body(body: Any) -> Any:
        return show(body.value)

    def by_model(body: Any) -> Any:
        return body

    by_path.__annotations__ = {"value": Annotated[kind, Path()]}
    by_query.__annotations__ = {"value": Annotated[kind, Query()]}
    by_header.__annotations__ = {"value": Annotated[kind, Header()]}
    by_cookie.__annotations__ = {"value": Annotated[kind, Cookie()]}
    by_form.__annotations__ = {"value": Annotated[kind, Form()]}
    by_body.__annotations__ = {"body": model}
    by_model.__annotations__ = {"body": model, "return": model}
    app.get(f"/path/{name}/{{value}}")(by_path)
    app.get(f"/query/{name}")(by_query)
    app.get(f"/header/{name}")(by_header)
    app.get(f"/cookie/{name}")(by_cookie)
    app.post(f"/form/{name}")(by_form)
    app.post(f"/body/{name}")(by_body)
    app.post(f"/model/{name}")(by_model)


for _name, _kind in TYPES.items():
    add(_name, _kind)
