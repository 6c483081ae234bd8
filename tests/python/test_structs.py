"""msgspec.Struct and attrs classes as bodies and as answers."""

import datetime
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import attrs
import msgspec
import pytest
from pydantic import AfterValidator, BaseModel, PlainValidator
from pydantic_core import core_schema

from fastrapi import Body, FastrAPI, Query, Request
from fastrapi.encoders import jsonable_encoder
from fastrapi.exceptions import FastAPIError, ResponseValidationError
from fastrapi.routing import APIRoute
from fastrapi.testclient import TestClient

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`")


class InPython(APIRoute):
    """A route without a plan."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        return super().get_route_handler()


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    name: str


class Person(msgspec.Struct, rename="camel"):
    full_name: Annotated[str, msgspec.Meta(min_length=2)]
    born: datetime.date | None = None
    all_pets: list[Cat | Dog] = []
    by_year: dict[int, str] = {}
    parent: "Person | None" = None


@attrs.define
class Point:
    x: int
    y: int = 0
    owner: Person | None = None


ADA = {"fullName": "Ada", "born": "1815-12-10", "allPets": [{"type": "Cat", "lives": 9}], "byYear": {"1843": "notes"}}
SENT = {**ADA, "parent": None}


@pytest.fixture(params=[APIRoute, InPython])
def app(request: pytest.FixtureRequest) -> FastrAPI:
    app = FastrAPI()
    app.router.route_class = request.param
    return app


def post(app: FastrAPI, path: str, content: Any) -> tuple[int, Any]:
    response = TestClient(app).post(path, json=content)
    return response.status_code, response.json()


def errors(app: FastrAPI, path: str, content: Any) -> Any:
    status, answer = post(app, path, content)
    assert status == 422
    return answer["detail"]


def test_a_body_and_an_answer(app: FastrAPI) -> None:
    seen: list[Any] = []

    @app.post("/")
    def endpoint(person: Person) -> Person:
        seen.append(person)
        return person

    assert post(app, "/", ADA) == (200, SENT)
    assert seen == [
        Person("Ada", datetime.date(1815, 12, 10), all_pets=[Cat(9)], by_year={1843: "notes"}),
    ]


@pytest.mark.parametrize(
    ("content", "kind", "loc", "message", "given"),
    [
        ({}, "missing", ["fullName"], "Field required", {}),
        ({"fullName": 1}, "msgspec", ["fullName"], "Expected `str`, got `int`", 1),
        ({"fullName": "A"}, "msgspec", ["fullName"], "Expected `str` of length >= 2", "A"),
        ([], "msgspec", [], "Expected `object`, got `array`", []),
        ({"fullName": "Ada", "born": "{x}"}, "msgspec", ["born"], "Invalid RFC3339 encoded date", "{x}"),
        (
            {"fullName": "Ada", "allPets": [{"type": "Cat", "lives": 1}, {"type": "Dog"}]},
            "missing",
            ["allPets", 1, "name"],
            "Field required",
            {"type": "Dog"},
        ),
        (
            {"fullName": "Ada", "allPets": [{"type": "{Cow}"}]},
            "msgspec",
            ["allPets", 0, "type"],
            "Invalid value '{Cow}'",
            "{Cow}",
        ),
        (
            {"fullName": "Ada", "byYear": {"1": 2}},
            "msgspec",
            ["byYear"],
            "Expected `str`, got `int`",
            {"1": 2},
        ),
        (
            {"fullName": "Ada", "byYear": {"a": "b"}},
            "msgspec",
            ["byYear"],
            "Expected `int`, got `str`",
            {"a": "b"},
        ),
    ],
)
def test_errors(app: FastrAPI, content: Any, kind: str, loc: list[Any], message: str, given: Any) -> None:
    @app.post("/one")
    def one(person: Person) -> None: ...

    @app.post("/several")
    def several(people: list[Person], number: Annotated[int, Body()]) -> None: ...

    error = {"type": kind, "msg": message, "input": given}
    assert errors(app, "/one", content) == [{**error, "loc": ["body", *loc]}]
    found = errors(app, "/several", {"people": [ADA, content]})
    assert found == [
        {**error, "loc": ["body", "people", 1, *loc]},
        {"type": "missing", "loc": ["body", "number"], "msg": "Field required", "input": None},
    ]


def test_invalid_json(app: FastrAPI) -> None:
    @app.post("/")
    def endpoint(person: Person) -> None: ...

    response = TestClient(app).post("/", content=b"{", headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert [error["type"] for error in response.json()["detail"]] == ["json_invalid"]


def test_unions_and_defaults(app: FastrAPI) -> None:
    @app.post("/pet")
    def pet(pet: Cat | Dog | None = None) -> Cat | Dog | None:
        return pet

    @app.post("/mixed")
    def mixed(points: Annotated[dict[str, Point | int], Body()]) -> list[Point | int]:
        return list(points.values())

    for content in ({"type": "Cat", "lives": 1}, {"type": "Dog", "name": "Rex"}, None):
        assert post(app, "/pet", content) == (200, content)
    response = TestClient(app).post("/pet")
    assert (response.status_code, response.json()) == (200, None)
    assert post(app, "/mixed", {"a": {"x": 1}, "b": 2}) == (200, [{"x": 1, "y": 0, "owner": None}, 2])


def test_attrs(app: FastrAPI) -> None:
    @app.post("/")
    def endpoint(point: Annotated[Point, Body(embed=True)]) -> Point:
        assert isinstance(point, Point)
        return point

    assert post(app, "/", {"point": {"x": 1, "owner": ADA}}) == (200, {"x": 1, "y": 0, "owner": SENT})
    assert errors(app, "/", {"point": {"y": 1}}) == [
        {"type": "missing", "loc": ["body", "point", "x"], "msg": "Field required", "input": {"y": 1}}
    ]


def test_answers_are_validated(app: FastrAPI) -> None:
    @app.get("/dict")
    def from_dict() -> list[Point]:
        return [{"x": 1}]  # type: ignore[list-item]

    @app.get("/wrong")
    def wrong() -> Point:
        return {"x": "1"}  # type: ignore[return-value]

    client = TestClient(app)
    assert client.get("/dict").json() == [{"x": 1, "y": 0, "owner": None}]
    with pytest.raises(ResponseValidationError, match="Expected `int`, got `str`"):
        client.get("/wrong")


@pytest.mark.parametrize("encoder", ["orjson", "msgspec", "stdlib"])
def test_with_an_encoder(app: FastrAPI, encoder: Any) -> None:
    @app.get("/model", json_encoder=encoder)
    def model() -> Person:
        return msgspec.convert(ADA, Person, str_keys=True)

    @app.get("/none", json_encoder=encoder, response_model=None)
    def none() -> Any:
        return {"all": [model()]}

    assert TestClient(app).get("/model").content == msgspec.json.encode(model())
    assert TestClient(app).get("/none").content == b'{"all":[' + msgspec.json.encode(model()) + b"]}"


def test_answers_without_a_model(app: FastrAPI) -> None:
    @app.get("/", response_model=None)
    def endpoint() -> Any:
        return [Cat(1), Point(1, 2), {"person": Person("Ada")}]

    person = {"fullName": "Ada", "born": None, "allPets": [], "byYear": {}, "parent": None}
    assert TestClient(app).get("/").json() == [
        {"type": "Cat", "lives": 1},
        {"x": 1, "y": 2, "owner": None},
        {"person": person},
    ]


def test_lines(app: FastrAPI) -> None:
    @app.get("/")
    def lines() -> Iterator[Point]:
        yield Point(1)

    response = TestClient(app).get("/")
    assert response.headers["content-type"] == "application/jsonl"
    assert response.json() == {"x": 1, "y": 0, "owner": None}


def test_jsonable_encoder() -> None:
    assert jsonable_encoder(Cat(1), exclude={"type"}) == {"lives": 1}
    assert jsonable_encoder(Person("Ada"), include={"full_name"}) == {"fullName": "Ada"}
    assert "fullName" not in jsonable_encoder(Person("Ada"), exclude={"full_name": True})  # type: ignore[arg-type]
    assert jsonable_encoder(Person("Ada"), exclude_none=True) == {"fullName": "Ada", "allPets": [], "byYear": {}}
    array = msgspec.defstruct("Array", [("a", int), ("b", int)], array_like=True)
    assert jsonable_encoder(array(1, 2)) == [1, 2]
    assert jsonable_encoder([Cat(1)], custom_encoder={Cat: lambda cat: cat.lives}) == [1]


def test_the_description() -> None:
    app = FastrAPI()

    class Model(BaseModel):
        number: int

    @app.post("/a")
    def a(person: Person) -> list[Person]: ...  # type: ignore[empty-body]

    @app.post("/b")
    def b(point: Point, pet: Cat | Dog, model: Model) -> Model: ...  # type: ignore[empty-body]

    document = app.openapi()
    schemas = document["components"]["schemas"]
    assert set(schemas) == {
        "Body_b_b_post", "Cat", "Dog", "HTTPValidationError", "Model", "Person", "Point", "ValidationError",
    }  # fmt: skip
    place = "#/components/schemas/"
    _, own = msgspec.json.schema_components([Person], ref_template=place + "{name}")
    assert schemas["Cat"] == own["Cat"]
    assert schemas["Person"]["properties"]["fullName"] == {"type": "string", "minLength": 2}
    assert schemas["Person"]["properties"]["allPets"] == own["Person"]["properties"]["allPets"] | {"default": []}
    assert schemas["Person"]["properties"]["parent"]["anyOf"][0] == {"$ref": place + "Person"}
    assert schemas["Body_b_b_post"]["properties"]["pet"]["discriminator"] == {
        "propertyName": "type",
        "mapping": {"Cat": place + "Cat", "Dog": place + "Dog"},
    }
    operation = document["paths"]["/a"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": place + "Person"}
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["items"] == {"$ref": place + "Person"}


def test_two_of_one_name() -> None:
    def named(kind: Any) -> Any:
        return msgspec.defstruct("Same", [("field", kind)])

    app = FastrAPI()
    for index, kind in enumerate((int, str, int)):
        app.post(f"/{index}", response_model=named(kind))(lambda: None)
    schemas = app.openapi()["components"]["schemas"]
    kinds = [schema["properties"]["field"]["type"] for name, schema in schemas.items() if "Same" in name]
    assert sorted(kinds) == ["integer", "string"]


def test_a_field_that_msgspec_does_not_know() -> None:
    class Odd(msgspec.Struct):
        number: complex

    def endpoint(odd: Odd) -> None: ...

    with pytest.raises(FastAPIError, match="complex") as caught:
        FastrAPI().post("/")(endpoint)
    assert any("parameter 'odd'" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    "option",
    [
        {"response_model_include": {"x"}},
        {"response_model_exclude": {"x"}},
        {"response_model_exclude_unset": True},
        {"response_model_exclude_defaults": True},
        {"response_model_exclude_none": True},
    ],
)
def test_options_that_would_do_nothing_are_refused(option: dict[str, Any]) -> None:
    def endpoint() -> list[Point]: ...  # type: ignore[empty-body]

    with pytest.raises(FastAPIError, match=f"{next(iter(option))} does nothing in what msgspec writes"):
        FastrAPI().get("/", **option)(endpoint)

    def lines() -> Iterator[Point]:
        yield Point(1)

    with pytest.raises(FastAPIError, match="does nothing in what msgspec writes"):
        FastrAPI().get("/", **option)(lines)


def test_attrs_classes_need_msgspec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    with pytest.raises(FastAPIError, match="valid Pydantic field"):
        FastrAPI().get("/", response_model=Point)(lambda: None)
    assert jsonable_encoder(Point(1)) == {"x": 1, "y": 0, "owner": None}


def test_a_class_that_pydantic_knows_stays_with_it() -> None:
    class Own(msgspec.Struct):
        number: int

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
            return core_schema.no_info_plain_validator_function(
                lambda value: value if isinstance(value, cls) else cls(int(value) + 1),
                serialization=core_schema.plain_serializer_function_ser_schema(lambda own: own.number),
            )

    app = FastrAPI()

    @app.post("/")
    def endpoint(own: Annotated[Own, Body()]) -> Own:
        return own

    assert post(app, "/", "1") == (200, 2)


def test_validators_of_pydantics() -> None:
    app = FastrAPI()

    @app.get("/{point}")
    def plain(
        point: Annotated[Point, PlainValidator(lambda text: Point(int(text)))],
        other: Annotated[Point, PlainValidator(lambda text: Point(int(text)))],
    ) -> list[int]:
        return [point.x, other.x]

    @app.post("/")
    def after(point: Annotated[Point, AfterValidator(lambda point: attrs.evolve(point, y=3))]) -> Point:
        return point

    assert TestClient(app).get("/1?other=2").json() == [1, 2]
    assert post(app, "/", {"x": 1}) == (200, {"x": 1, "y": 3, "owner": None})


def test_parameters_elsewhere_are_refused() -> None:
    def endpoint(pet: Cat) -> None: ...

    with pytest.raises(AssertionError, match="Path params must be of one of the supported types"):
        FastrAPI().post("/{pet}")(endpoint)

    def query(pet: Annotated[list[Cat], Query()]) -> None: ...

    with pytest.raises(AssertionError, match="must be one of the supported types"):
        FastrAPI().post("/")(query)
