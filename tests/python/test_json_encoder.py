"""json_encoder: whose bytes an answer has, and where the option may stand."""

import datetime
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
import pytest
from pydantic import BaseModel, Field

from fastrapi import APIRouter, FastrAPI, Request, Response
from fastrapi.responses import JSONResponse, PlainTextResponse
from fastrapi.routing import APIRoute
from fastrapi.testclient import TestClient

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`")


class InPython(APIRoute):
    """A route without a plan."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        return super().get_route_handler()


route_classes = pytest.mark.parametrize("route_class", [APIRoute, InPython])


def spaced(content: Any) -> bytes:
    return json.dumps(content).encode()


def marked(mark: str) -> Callable[[Any], bytes]:
    return lambda content: json.dumps([mark, content]).encode()


class Item(BaseModel):
    name: str
    day: datetime.date = Field(alias="theDay")
    note: str | None = None


ITEM = Item(name="é", theDay=datetime.date(2020, 2, 3))
PLAIN = {"name": "é", "theDay": "2020-02-03", "note": None}


def application(route_class: type[APIRoute], **options: Any) -> FastrAPI:
    app = FastrAPI(openapi_url=None, **options)
    app.router.route_class = route_class
    return app


def body(app: FastrAPI, path: str, status: int = 200) -> bytes:
    response = TestClient(app).get(path)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert int(response.headers["content-length"]) == len(response.content)
    return response.content


@route_classes
@pytest.mark.parametrize(
    ("encoder", "dumps"),
    [
        ("orjson", orjson.dumps),
        ("msgspec", msgspec.json.encode),
        ("stdlib", lambda content: JSONResponse(content).body),
        (spaced, spaced),
        (None, lambda content: JSONResponse(content).body),
    ],
)
def test_whose_bytes(route_class: type[APIRoute], encoder: Any, dumps: Callable[[Any], bytes]) -> None:
    app = application(route_class, json_encoder=encoder)
    numbers = {"a": [1e16, 1e-7, 1.5, True, None], "b": "é\u2028<"}

    @app.get("/numbers")
    def get_numbers() -> Any:
        return numbers

    @app.get("/any", response_model=None)
    def get_any() -> Any:
        return {"items": [ITEM], "set": {1}}

    @app.get("/model", status_code=201)
    def get_model(response: Response) -> Item:
        response.headers["x-a"] = "b"
        return ITEM

    @app.get("/part", response_model_exclude_none=True, response_model_by_alias=False)
    def get_part() -> list[Item]:
        return [ITEM]

    if encoder is not None:  # Pydantic writes the answers of models then
        assert body(app, "/numbers") == dumps(numbers)
    assert body(app, "/any") == dumps({"items": [PLAIN], "set": [1]})
    assert body(app, "/model", 201) == dumps(PLAIN)
    assert body(app, "/part") == dumps([{"name": "é", "day": "2020-02-03"}])
    assert TestClient(app).get("/model").headers["x-a"] == "b"


def test_they_differ() -> None:
    # or else the test above shows nothing
    content = [1e16, 1e-7]
    ways = orjson.dumps, msgspec.json.encode, lambda content: JSONResponse(content).body, spaced
    assert len({way(content) for way in ways}) == 4


@route_classes
def test_a_response_class_goes_first(route_class: type[APIRoute]) -> None:
    app = application(route_class, json_encoder=spaced)

    @app.get("/class", response_class=JSONResponse)
    def by_class() -> dict[str, datetime.date]:
        return {"a": datetime.date(2020, 2, 3)}

    @app.get("/own")
    def own() -> Any:
        return PlainTextResponse("text")

    @app.get("/lines")
    def lines() -> Any:
        yield {"a": [1]}

    client = TestClient(app)
    assert client.get("/class").text == '{"a":"2020-02-03"}'
    assert client.get("/own").text == "text"
    assert client.get("/lines").text == '{"a": [1]}\n'
    assert client.get("/lines").headers["content-type"] == "application/jsonl"
    assert client.get("/none").text == '{"detail":"Not Found"}'


@route_classes
def test_a_status_without_a_body(route_class: type[APIRoute]) -> None:
    app = application(route_class, json_encoder=spaced)

    @app.get("/", status_code=204)
    def nothing() -> None: ...

    response = TestClient(app).get("/")
    assert (response.status_code, response.content) == (204, b"")


@route_classes
def test_the_nearest_one_is_taken(route_class: type[APIRoute]) -> None:
    app = application(route_class, json_encoder=marked("app"))
    bare = APIRouter(route_class=route_class)
    inner = APIRouter(json_encoder=marked("inner"), route_class=route_class)
    outer = APIRouter(json_encoder=marked("outer"), route_class=route_class)

    def endpoint() -> Any:
        return 1

    app.add_api_route("/app", endpoint)
    app.add_api_route("/route", endpoint, json_encoder=marked("route"))
    bare.add_api_route("/bare", endpoint)
    inner.add_api_route("/inner", endpoint)
    inner.get("/inner/route", json_encoder=marked("route"))(endpoint)
    outer.get("/outer")(endpoint)
    outer.include_router(bare, prefix="/outer")
    outer.include_router(inner, prefix="/outer")
    app.include_router(bare)
    app.include_router(outer)
    for path, mark in (
        ("/app", "app"),
        ("/route", "route"),
        ("/bare", "app"),
        ("/outer", "outer"),
        ("/outer/bare", "outer"),
        ("/outer/inner", "inner"),
        ("/outer/inner/route", "route"),
    ):
        assert body(app, path) == json.dumps([mark, 1]).encode(), path


def test_numbers_as_keys() -> None:
    for encoder in ("orjson", "msgspec", "stdlib"):
        app = FastrAPI(json_encoder=encoder)
        app.get("/", response_model=None)(lambda: {1: 2})
        assert body(app, "/") == b'{"1":2}', encoder


def test_a_callable_that_can_not_be_hashed() -> None:
    @dataclass
    class Encoder:
        mark: str

        def __call__(self, content: Any) -> bytes:
            return self.mark.encode()

    app = FastrAPI(json_encoder=Encoder("1"))
    app.get("/")(lambda: None)
    assert body(app, "/") == b"1"


def test_the_encoder_is_called_with_plain_data_and_must_give_bytes() -> None:
    seen: list[Any] = []

    def text(content: Any) -> Any:
        seen.append(content)
        return json.dumps(content)

    app = FastrAPI(json_encoder=text)

    @app.get("/")
    def endpoint() -> Item:
        return ITEM

    with pytest.raises(TypeError, match=r"The json_encoder \S*text must return bytes, not str"):
        TestClient(app).get("/")
    assert seen == [PLAIN]


def test_the_description_is_the_same() -> None:
    def described(encoder: Any) -> Any:
        app = FastrAPI(json_encoder=encoder)
        app.get("/")(lambda: None)
        app.get("/model", response_model=Item)(lambda: None)
        return app.openapi()

    assert described("orjson") == described(None)


@pytest.mark.parametrize("declare", [lambda **o: FastrAPI(**o), lambda **o: APIRouter(**o)])
def test_it_is_checked(declare: Any) -> None:
    for wrong in ("ujson", 1):
        with pytest.raises(ValueError, match="json_encoder must be 'orjson', 'msgspec', 'stdlib', a callable"):
            declare(json_encoder=wrong)
        with pytest.raises(ValueError, match="json_encoder must be"):
            declare().get("/", json_encoder=wrong)(lambda: None)


@pytest.mark.parametrize("name", ["orjson", "msgspec"])
def test_a_missing_package_is_named(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec.json" if name == "msgspec" else name, None)

    def endpoint() -> None: ...

    with pytest.raises(RuntimeError, match=f'requires "{name}" to be installed(.|\n)*pip install {name}'):
        APIRouter(json_encoder=name)
    with pytest.raises(RuntimeError, match=f"pip install {name}") as caught:
        FastrAPI().get("/x", json_encoder=name)(endpoint)
    assert any("route GET /x" in note for note in caught.value.__notes__)
