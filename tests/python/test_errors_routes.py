"""Mistakes between routes: one hides another, an operation id twice; each message in full."""

from typing import Any

import pytest
from mistakes import at, warned

from fastrapi import APIRouter, FastrAPI, Request
from fastrapi._compile.checks import complete
from fastrapi.staticfiles import StaticFiles


def test_a_shadowed_route(app: FastrAPI) -> None:
    def one(user_id: str) -> None: ...

    def me() -> None: ...

    app.get("/users/{user_id}")(one)
    assert warned(app.get("/users/me"), me) == [
        "GET /users/me is never reached: GET /users/{user_id}, declared earlier, answers all its requests\n"
        f"  route GET /users/me: {at(me)}\n"
        f"  earlier: GET /users/{{user_id}}: {at(one)}\n"
        "  mend: declare it before the other, or change or remove one of the two"
    ]
    assert len(warned(complete, app)) == 1


@pytest.mark.parametrize(
    ("earlier", "later", "hidden"),
    [
        ("/a/{x}", "/a/b", True),
        ("/a/{x}", "/a/{y}", True),
        ("/a/{x}", "/a/{y:int}", True),
        ("/a/{x:float}", "/a/{y:int}", True),
        ("/a/{x:int}", "/a/5", True),
        ("/a/{x:path}", "/a/b/c", True),
        ("/a/{x:path}", "/a/{y:path}", True),
        ("/{x}/b", "/a/{y}", False),
        ("/a/{x:int}", "/a/{y}", False),
        ("/a/{x:int}", "/a/b", False),
        ("/a/b", "/a/{x}", False),
        ("/a/{x}", "/a/{y:path}", False),
        ("/a/{x}", "/a/", False),
        ("/a/{x}", "/a/b/", False),
        ("/a/{x}.{y}", "/a/b.c", False),  # not told: it is matched by an expression
    ],
)
def test_what_hides_what(app: FastrAPI, earlier: str, later: str, hidden: bool) -> None:
    def handle(request: Request) -> None: ...

    app.get(earlier)(handle)
    texts = warned(app.get(later), handle)
    assert [text.partition(": ")[0] for text in texts] == ([f"GET {later} is never reached"] if hidden else [])


def test_methods_hide_only_together(app: FastrAPI) -> None:
    def handle() -> None: ...

    app.get("/x", include_in_schema=False)(handle)
    both = app.api_route("/x", methods=["GET", "POST"], include_in_schema=False)
    assert warned(both, handle) == []
    (text,) = warned(both, handle)
    assert text.startswith("GET,POST /x is never reached: GET /x and GET,POST /x, declared earlier, answers")


def test_a_route_hidden_by_an_include_or_a_mount(app: FastrAPI, tmp_path: Any) -> None:
    def one(user_id: str) -> None: ...

    def me() -> None: ...

    router = APIRouter()
    router.get("/me")(me)
    app.get("/users/{user_id}")(one)
    app.mount("/static", StaticFiles(directory=tmp_path))
    (text,) = warned(lambda: app.include_router(router, prefix="/users"))
    assert text.startswith("GET /users/me is never reached: GET /users/{user_id}, declared earlier")
    (text,) = warned(lambda: app.include_router(router, prefix="/static"))
    assert "\n  earlier: mount /static\n" in text
    assert warned(lambda: app.include_router(router, prefix="/others")) == []


def test_routes_that_are_taken_away_hide_nothing(app: FastrAPI) -> None:
    def handle(request: Request) -> None: ...

    app.get("/{x}")(handle)
    app.router.routes.pop()
    assert warned(app.get("/{y}"), handle) == []


def test_an_operation_id_twice(app: FastrAPI) -> None:
    def one() -> None: ...

    def two() -> None: ...

    app.get("/one", operation_id="same")(one)
    assert warned(app.get("/two", operation_id="same"), two) == [
        "The operation id 'same' was given before: an OpenAPI document with it is not valid,"
        " and generated clients lack one of the two\n"
        f"  route GET /two: {at(two)}\n  earlier: GET /one: {at(one)}\n"
        "  mend: give each route an operation_id of its own, or none"
    ]
    router = APIRouter()
    router.get("/three", operation_id="same")(two)
    assert len(warned(lambda: app.include_router(router, prefix="/r"))) == 1
    # FastAPI's own warning, when the document is made.
    with pytest.warns(UserWarning, match="^Duplicate Operation ID same for function two at "):
        app.openapi()


def test_an_operation_id_for_several_methods(app: FastrAPI) -> None:
    def handle() -> None: ...

    both = app.api_route("/x", methods=["GET", "POST"], operation_id="x")
    assert warned(both, handle) == [
        "The operation id 'x' is that of several methods: an OpenAPI document with it is not valid\n"
        f"  route GET,POST /x: {at(handle)}\n"
        "  mend: declare one route for each method, or set include_in_schema=False"
    ]
