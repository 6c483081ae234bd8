"""The manifest: which routes the table holds, and which go aside."""

import random
from typing import Annotated, Any

import pytest
from compiled import application, only, routes_of, step_of
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Mount, Route

from fastrapi import APIRouter, Path
from fastrapi._compile import emit
from fastrapi.routing import APIRoute
from fastrapi.testclient import TestClient


@pytest.mark.parametrize(
    ("path", "pattern", "prefix"),
    [
        ("/a/b", [["lit", "a"], ["lit", "b"]], None),
        ("/a/", [["lit", "a"], ["lit", ""]], None),
        ("/u/{i}", [["lit", "u"], ["str", "i"]], None),
        ("/u/{i:int}/x", [["lit", "u"], ["int", "i"], ["lit", "x"]], None),
        ("/f/{p:path}", [["lit", "f"], ["path", "p"]], None),
        ("/f/{p:path}/x", None, "/f/"),
        ("/f/{a}.{b}", None, "/f/"),
        ("/v{n:float}", None, "/v"),
    ],
)
def test_patterns(path: str, pattern: Any, prefix: str | None) -> None:
    app = application()

    @app.get(path)
    def handle() -> None: ...

    route, objects = only(app)
    assert route["pattern"] == pattern
    if pattern is None:
        assert route["side"]["kind"] == "regex"
        assert route["side"]["prefix"] == prefix
        assert objects[route["side"]["object"]] is app.routes[0].path_regex
    else:
        assert route["side"] is None


def spread(place: int, size: int = 20) -> str:
    """A path of parameters with one literal."""
    return "".join("/x" if i == place else f"/{{p{i}}}" for i in range(size))


def deep(request: Request) -> dict[str, str]:
    return request.path_params


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("".join(f"/{{p{i}}}" for i in range(33)), "/1" * 33),
        ("/s" * 64 + "/{p0}", "/s" * 64 + "/1"),
        ("".join(f"/{{p{i}}}" for i in range(120)), "/1" * 120),
    ],
)
@pytest.mark.filterwarnings("ignore:The path has")
def test_paths_beyond_the_table_work(path: str, url: str) -> None:
    app = application()
    app.get(path)(deep)
    route, objects = only(app)
    assert route["pattern"] is None
    assert route["side"]["kind"] == "regex"
    assert objects[route["side"]["object"]] is app.routes[0].path_regex
    client = TestClient(app)
    assert client.get(url).json() == dict.fromkeys(route["params"], "1")
    assert client.post(url).status_code == 405
    assert client.get(url + "/1").status_code == 404


@pytest.mark.filterwarnings("ignore:The path has")
def test_routes_that_overlap_too_much_go_aside() -> None:
    app = application()
    for place in range(20):
        app.get(spread(place))(deep)
    app.get("/usual/{id}")(deep)
    routes, objects = routes_of(app)
    aside = [index for index, route in enumerate(routes) if route["side"]]
    assert 0 < len(aside) < 20
    assert 20 not in aside
    for index in aside:
        assert objects[routes[index]["side"]["object"]] is app.routes[index].path_regex
    assert emit(app, "main:app") == emit(app, "main:app")


def endpoint_of(number: int) -> Any:
    def endpoint(request: Request) -> dict[str, Any]:
        return {"number": number, "params": request.path_params}

    return endpoint


@pytest.mark.filterwarnings("ignore:The path has", "ignore:.* is never reached")
def test_the_first_declared_wins_in_the_table_and_aside() -> None:
    chance = random.Random(7)
    app = application()
    places = [(chance.randrange(18), chance.choice(["GET", "POST"])) for _ in range(40)]
    for number, (place, method) in enumerate(places):
        app.api_route(spread(place, 18), methods=[method])(endpoint_of(number))
    assert 0 < sum(route["side"] is not None for route in routes_of(app)[0]) < 40
    client = TestClient(app)
    for _ in range(300):
        url = "".join(chance.choice(["/x", "/y", "/y", "/y", "/y", "/y"]) for _ in range(18))
        method = chance.choice(["GET", "POST"])
        answer = client.request(method, url)
        scope = {"type": "http", "method": method, "path": url, "headers": []}
        found = [route.matches(scope) for route in app.routes]
        full = [(i, child) for i, (match, child) in enumerate(found) if match is Match.FULL]
        if full:
            number, child = full[0]
            assert answer.json() == {"number": number, "params": child["path_params"]}
        else:
            partial = any(match is Match.PARTIAL for match, _ in found)
            assert answer.status_code == (405 if partial else 404)


def test_path_parameters_named_otherwise() -> None:
    app = application()

    @app.get("/{item-id}")
    def odd() -> None: ...

    @app.get("/x/{key}")
    def renamed(name: Annotated[str, Path(alias="key")]) -> None: ...

    routes, _ = routes_of(app)
    assert routes[0]["pattern"] == [["lit", "{item-id}"]]
    assert step_of(routes[1], "param")["alias"] == "key"


class Wrapped(APIRoute):
    def get_route_handler(self) -> Any:
        return super().get_route_handler()


def test_what_has_no_plan_goes_through_asgi() -> None:
    app = application()
    app.mount("/static", PlainTextResponse("x"))
    app.add_route("/plain", lambda request: PlainTextResponse("y"))
    wrapped = APIRouter(route_class=Wrapped)

    @wrapped.get("/w/{x}")
    def handle(x: int) -> None: ...

    app.include_router(wrapped, prefix="/p")

    @app.websocket("/ws")
    async def socket(websocket: Any) -> None: ...

    routes, objects = routes_of(app)
    assert [(r["kind"], r["side"]["kind"], r["side"]["prefix"]) for r in routes] == [
        ("asgi", "route", "/static"),
        ("asgi", "route", "/plain"),
        ("asgi", "route", "/p/w/"),
        ("websocket", "route", "/ws"),
    ]
    assert [r["methods"] for r in routes][-1] == ["WEBSOCKET"]
    assert isinstance(objects[routes[0]["object"]], Mount)
    assert isinstance(objects[routes[1]["object"]], Route)
    assert all(route["steps"] == [] and route["pattern"] is None for route in routes)
