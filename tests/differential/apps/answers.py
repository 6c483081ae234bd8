"""Answers: response models and their options, status codes, response classes, encoding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, Field, SecretStr, computed_field, field_serializer
from values import VALUES, Item, User, UserIn

from fastrapi import FastrAPI, Query, Response, status
from fastrapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)

FILES = Path(__file__).parent / "files"
app = FastrAPI()


# Plain values through the encoder


@app.get("/value/{name}")
def value(name: str):
    return VALUES[name]


@app.get("/value-async/{name}")
async def value_async(name: str):
    return {"value": VALUES[name]}


@app.get("/value-any/{name}")
def value_any(name: str) -> Any:
    return VALUES[name]


@app.get("/value-dict/{name}")
def value_dict(name: str) -> dict[str, Any]:
    return {"v": VALUES[name]}


@app.get("/value-json/{name}", response_class=JSONResponse)
def value_json(name: str):
    return VALUES[name]


@app.get("/value-json-direct/{name}")
def value_json_direct(name: str):
    return JSONResponse(VALUES[name])


@app.get("/value-float/{name}")
def value_float(name: str) -> float:
    return VALUES[name]


@app.get("/value-str/{name}", response_model=str)
def value_str(name: str):
    return VALUES[name]


@app.get("/value-int-keys/{name}")
def value_int_keys(name: str) -> dict[int, Any]:
    return VALUES[name]


@dataclass
class Point:
    x: int
    y: float = math.nan


class Plain:
    def __init__(self) -> None:
        self.a = 1
        self.b = [Item(name="p")]


class Slots:
    __slots__ = ("a",)


@app.get("/dataclass")
def dataclass_out():
    return Point(1, 2)


@app.get("/dataclass-typed")
def dataclass_typed() -> Point:
    return Point(1)


@app.get("/plain-object")
def plain_object():
    return Plain()


@app.get("/slots-object")
def slots_object():
    return Slots()


@app.get("/recursive")
def recursive():
    loop: list[Any] = []
    loop.append(loop)
    return loop


@app.get("/generator-value")
def generator_value():
    return (n for n in range(3))


# Response models


ITEMS: dict[str, Any] = {
    "bare": {"name": "n"},
    "full": {"name": "n", "price": 2, "tax": 0.5, "tags": ["t"]},
    "defaults": {"name": "n", "price": 1.5, "tax": None, "tags": []},
    "extra": {"name": "n", "more": 1},
    "bad": {"name": 1},
    "missing": {},
    "none": None,
    "model": Item(name="n"),
    "set-none": Item(name="n", tax=None),
    "other-model": User(username="u"),
    "list": [{"name": "n"}],
    "odd": {"name": "n", "price": math.inf},
    "surrogate": {"name": "\ud800"},
}


@app.get("/model/{key}", response_model=Item)
def model(key: str):
    return ITEMS[key]


@app.get("/model-annotated/{key}")
async def model_annotated(key: str) -> Item:
    return ITEMS[key]


@app.get("/model-optional/{key}")
def model_optional(key: str) -> Item | None:
    return ITEMS[key]


@app.get("/model-list/{key}", response_model=list[Item])
def model_list(key: str):
    return ITEMS[key]


@app.get("/model-union/{key}", response_model=Union[User, Item])
def model_union(key: str):
    return ITEMS[key]


@app.get("/model-none/{key}", response_model=None)
def model_none(key: str) -> Item:
    return ITEMS[key]


@app.get("/exclude-unset/{key}", response_model=Item, response_model_exclude_unset=True)
def exclude_unset(key: str):
    return ITEMS[key]


@app.get("/exclude-defaults/{key}", response_model=Item, response_model_exclude_defaults=True)
def exclude_defaults(key: str):
    return ITEMS[key]


@app.get("/exclude-none/{key}", response_model=Item, response_model_exclude_none=True)
async def exclude_none(key: str):
    return ITEMS[key]


@app.get("/include/{key}", response_model=Item, response_model_include={"name", "tax"})
def include(key: str):
    return ITEMS[key]


@app.get("/include-list/{key}", response_model=Item, response_model_include=["name"])
def include_list(key: str):
    return ITEMS[key]


@app.get("/exclude/{key}", response_model=Item, response_model_exclude={"price"})
def exclude(key: str):
    return ITEMS[key]


@app.get("/exclude-html/{key}", response_model=Item, response_model_exclude={"price"}, response_class=JSONResponse)
def exclude_json(key: str):
    return ITEMS[key]


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    inner_name: str = Field(alias="innerName")


@app.get("/by-alias", response_model=Aliased)
def by_alias():
    return Aliased(innerName="x")


@app.get("/by-name", response_model=Aliased, response_model_by_alias=False)
def by_name():
    return {"innerName": "x"}


@app.get("/by-alias-none")
def by_alias_none():
    return Aliased(innerName="x")


@app.post("/user", response_model=User)
def user(user: UserIn):
    return user


@app.post("/user-annotated")
def user_annotated(user: UserIn) -> User:
    return user


class Computed(BaseModel):
    a: int
    secret: SecretStr = SecretStr("s")

    @computed_field
    def double(self) -> int:
        return self.a * 2

    @field_serializer("a")
    def text(self, value: int) -> str:
        return f"<{value}>"


@app.get("/computed")
def computed() -> Computed:
    return Computed(a=2)


@app.get("/computed-plain")
def computed_plain():
    return Computed(a=2)


class FromAttributes(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    a: int


@app.get("/from-attributes", response_model=FromAttributes)
def from_attributes():
    return Plain()


class Floats(BaseModel):
    f: float
    d: Decimal = Decimal("1.10")
    at: datetime = datetime(2024, 1, 2, tzinfo=timezone.utc)
    span: timedelta = timedelta(hours=1)
    raw: bytes = b"x"
    keys: dict[int, str] = {1: "a"}


@app.get("/floats")
def floats(f: float) -> Floats:
    return Floats(f=f)


@app.get("/floats-plain")
def floats_plain(f: float):
    return Floats(f=f)


class Parent(BaseModel):
    user: User
    users: list[User] = []


@app.get("/subclass")
def subclass() -> Parent:
    inner = UserIn(username="u", password="p")  # noqa: S106
    return Parent(user=inner, users=[inner])


@app.get("/int-for-str", response_model=str)
def int_for_str():
    return 1


@app.get("/str-for-int", response_model=int)
def str_for_int():
    return "12"


@app.get("/annotated-return")
def annotated_return() -> Annotated[int, Field(gt=5)]:
    return 3


@app.get("/response-annotation")
def response_annotation() -> Response:
    return JSONResponse({"a": 1})


@app.get("/response-union", response_model=None)
def response_union(plain: bool = False) -> Response | dict[str, int]:
    return PlainTextResponse("p") if plain else {"a": 1}


# Status codes


@app.post("/created", status_code=201)
def created():
    return {"created": True}


@app.delete("/no-content", status_code=status.HTTP_204_NO_CONTENT)
def no_content():
    return None


@app.delete("/no-content-value", status_code=204)
def no_content_value() -> None:
    return None


@app.get("/not-modified", status_code=304)
def not_modified():
    return {"ignored": True}


@app.get("/teapot", status_code=418)
async def teapot():
    return "short and stout"


@app.get("/odd-status", status_code=299)
def odd_status():
    return []


@app.get("/injected-status/{code}")
def injected_status(code: int, response: Response):
    response.status_code = code
    return {"code": code}


@app.get("/injected-headers", status_code=202)
def injected_headers(response: Response):
    response.headers["X-One"] = "1"
    response.headers.append("X-Two", "a")
    response.headers.append("X-Two", "b")
    response.headers["X-Latin"] = "caf\xe9"
    response.set_cookie("c", "v", httponly=True, max_age=60, samesite="strict")
    response.set_cookie("d", 'quo"ted; x')
    response.set_cookie("e", "", max_age=0)
    return {"a": 1}


@app.get("/injected-content-type")
def injected_content_type(response: Response):
    response.headers["Content-Type"] = "application/vnd.x+json"
    return {"a": 1}


@app.get("/injected-none")
def injected_none(response: Response):
    response.headers["X-A"] = ""
    response.status_code = 204


# Response classes


@app.get("/html", response_class=HTMLResponse)
def html():
    return "<p>é</p>"


@app.get("/html-direct")
def html_direct():
    return HTMLResponse("<p>x</p>", status_code=203, headers={"X-A": "1"})


@app.get("/html-wrong", response_class=HTMLResponse)
def html_wrong():
    return {"not": "text"}


@app.get("/html-none", response_class=HTMLResponse)
def html_none():
    return None


@app.get("/plain", response_class=PlainTextResponse)
async def plain(text: str = "x"):
    return text


@app.get("/plain-bytes", response_class=PlainTextResponse)
def plain_bytes():
    return b"\xff\x00raw"


@app.get("/redirect")
def redirect(to: Annotated[str, Query()] = "/html"):
    return RedirectResponse(to)


@app.get("/redirect-class", response_class=RedirectResponse)
def redirect_class():
    return "/plain?text=a b&c=é"


@app.get("/redirect-status", response_class=RedirectResponse, status_code=302)
def redirect_status():
    return "https://example.com/"


@app.get("/file")
def file():
    return FileResponse(FILES / "small.txt")


@app.get("/file-class", response_class=FileResponse)
async def file_class():
    return str(FILES / "page.html")


@app.get("/file-named")
def file_named():
    return FileResponse(FILES / "small.txt", filename="näme.txt", media_type="text/x-small", headers={"X-A": "1"})


@app.get("/file-missing")
def file_missing():
    return FileResponse(FILES / "missing.txt")


@app.api_route("/file-head", methods=["GET", "HEAD"])
def file_head():
    return FileResponse(FILES / "small.txt")


@app.get("/raw")
def raw():
    return Response(b"\x00\xffraw", media_type="application/x-raw")


@app.get("/raw-empty")
def raw_empty():
    return Response()


@app.get("/raw-status/{code}")
def raw_status(code: int):
    return Response(status_code=code)


@app.get("/raw-headers")
def raw_headers():
    response = Response("x", headers={"X-A": "caf\xe9", "content-type": "text/odd"})
    response.raw_headers.append((b"X-Raw", b"\xff"))
    response.raw_headers.append((b"x-raw", b"2"))
    response.set_cookie("a", "b")
    return response


@app.get("/raw-length")
def raw_length():
    return Response(b"abc", headers={"Content-Length": "3"})


@app.get("/raw-class", response_class=Response)
def raw_class():
    return b"bytes"


class Custom(JSONResponse):
    media_type = "application/custom"

    def render(self, content: Any) -> bytes:
        return b"custom:" + super().render(content)


@app.get("/custom", response_class=Custom)
def custom():
    return {"at": datetime(2024, 1, 2)}


@app.get("/custom-model", response_class=Custom, response_model=Item)
def custom_model():
    return Item(name="c")


@app.get("/json-direct")
def json_direct():
    return JSONResponse({"é": [1e-7, None]}, status_code=201, headers={"X-A": "b"}, media_type="application/x+json")


@app.get("/json-direct-bad")
def json_direct_bad():
    return JSONResponse({"at": datetime(2024, 1, 2)})


@app.get("/stream")
def stream():
    return StreamingResponse((f"{n}\n" for n in range(3)), media_type="text/plain")


@app.get("/stream-async")
async def stream_async():
    async def chunks():
        yield b"a"
        yield b""
        yield b"b" * 1000

    return StreamingResponse(chunks(), headers={"X-A": "1"})


@app.get("/large")
def large():
    return {"values": list(range(50000))}


@app.get("/large-plain", response_class=PlainTextResponse)
def large_plain():
    return "0123456789" * 200000
