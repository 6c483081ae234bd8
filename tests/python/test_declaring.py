"""Declaring routes: what is refused, and how the message says where."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from fastrapi import APIRouter, Depends, FastAPI, FastrAPI, Header, Path, Query
from fastrapi._compile.diagnostics import locate
from fastrapi.exceptions import DependencyScopeError, FastAPIError
from fastrapi.routing import APIRoute, iter_route_contexts


def notes(exc: BaseException) -> str:
    return "\n".join(getattr(exc, "__notes__", []))


def line_of(function: Any) -> int:
    return int(function.__code__.co_firstlineno)


def test_fastapi_is_another_name() -> None:
    assert FastAPI is FastrAPI


def test_a_mistake_is_reported_with_its_place() -> None:
    app = FastrAPI()

    def handle(item: Annotated[int, Query(3)]) -> None: ...

    with pytest.raises(AssertionError) as caught:
        app.get("/x")(handle)
    assert "`Query` default value cannot be set in `Annotated` for 'item'" in str(caught.value)
    place = f"{__file__}:{line_of(handle)}, in {handle.__qualname__}"
    assert notes(caught.value) == (
        f"  parameter 'item': {place}\n  route GET /x: {place}\n"
        "  mend: write the default behind the annotation: `= value`"
    )


def test_messages_are_fastapis() -> None:
    app = FastrAPI()

    class Model(BaseModel):
        x: int

    def in_path(x: Model) -> None: ...

    def no_path(x: Annotated[int, Query()]) -> None: ...

    def twice(x: Annotated[int, Depends(int)] = Depends(str)) -> None: ...

    class Odd: ...

    def bad_type(x: Odd) -> None: ...

    for path, function, message in (
        ("/{x}", in_path, "Path params must be of one of the supported types"),
        ("/{x}", no_path, "Cannot use `Query` for path param 'x'"),
        ("/", twice, "Cannot specify `Depends` in `Annotated` and default value together for 'x'"),
    ):
        with pytest.raises(AssertionError, match=".*") as caught:
            app.get(path)(function)
        assert str(caught.value) == message
    with pytest.raises(FastAPIError, match="Invalid args for response field"):
        app.get("/")(bad_type)


def test_scopes_that_do_not_fit() -> None:
    app = FastrAPI()

    def short() -> Any:
        yield 1

    def long(s: Annotated[int, Depends(short, scope="function")]) -> Any:
        yield s

    def handle(value: Annotated[int, Depends(long)]) -> None: ...

    with pytest.raises(DependencyScopeError, match='"long" has a scope of "request"'):
        app.get("/")(handle)


def test_routers_cannot_include_themselves() -> None:
    one, two = APIRouter(), APIRouter()
    one.include_router(two, prefix="/two")
    with pytest.raises(AssertionError, match="same APIRouter instance into itself"):
        one.include_router(one)
    with pytest.raises(AssertionError, match="already includes this router"):
        two.include_router(one)
    with pytest.raises(AssertionError, match="must start with '/'"):
        one.include_router(two, prefix="x")
    empty = APIRouter()
    empty.get("")(lambda: None)
    with pytest.raises(FastAPIError, match="Prefix and path cannot be both empty"):
        one.include_router(empty)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match=r"get\(\) got an unexpected keyword argument 'methods'"):
        FastrAPI().get("/", methods=["GET"])  # type: ignore[call-arg,unused-ignore]
    with pytest.raises(TypeError, match="unexpected keyword argument 'embed'"):
        Query(embed=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'convert_underscores'"):
        Path(convert_underscores=True)


def test_every_decorator_declares_its_method() -> None:
    app, router = FastrAPI(openapi_url=None), APIRouter()
    for owner in (app, router):
        for verb in ("get", "put", "post", "delete", "options", "head", "patch", "trace"):
            decorate = getattr(owner, verb)
            assert verb.upper() in decorate.__doc__
            assert decorate.__name__ == verb
            decorate(f"/{verb}")(lambda: None)
        assert [(r.path, r.methods) for r in owner.routes if isinstance(r, APIRoute)] == [
            (f"/{verb}", {verb.upper()})
            for verb in ("get", "put", "post", "delete", "options", "head", "patch", "trace")
        ]


def test_what_an_include_adds() -> None:
    app = FastrAPI(openapi_url=None)
    router = APIRouter(prefix="/r", tags=["own"], responses={404: {"description": "none"}})

    @router.get("/x", name="x", tags=["route"], deprecated=True)
    def x(a: Annotated[str, Header()] = "") -> None: ...

    app.include_router(router, prefix="/p", tags=["more"], responses={410: {"description": "no"}})
    (context,) = iter_route_contexts(app.routes)
    assert context.path == "/p/r/x"
    assert context.tags == ["more", "own", "route"]
    assert set(context.responses) == {404, 410}
    assert context.deprecated is True
    assert context.original_route is router.routes[0]
    assert app.url_path_for("x") == "/p/r/x"


def test_where_a_callable_is() -> None:
    class Callable:
        def __call__(self) -> None: ...

    file, line = locate(Callable())
    assert (file, line) == (__file__, line_of(Callable.__call__))
    assert locate(len) == (None, 0)
