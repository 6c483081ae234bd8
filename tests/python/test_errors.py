"""Mistakes in declarations: each message in full, as docs/errors.md lists them."""

import warnings
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from mistakes import at, refused, warned
from pydantic import PydanticUserError
from pydantic_core import SchemaError

from fastrapi import APIRouter, Body, Depends, FastrAPI, Header, Path, Query, Request, WebSocket
from fastrapi._compile import compile_app
from fastrapi._compile.checks import complete
from fastrapi.exceptions import DependencyScopeError, FastAPIError, FastrAPIDeclarationWarning
from fastrapi.security import HTTPBearer

# ---- parameters of the path ----


def test_a_path_parameter_that_nobody_takes(app: FastrAPI) -> None:
    def handle() -> None: ...

    assert warned(app.get("/items/{item_id}"), handle) == [
        "The path has {item_id}, and neither the function nor a dependency takes it\n"
        f"  parameter 'item_id': {at(handle)}\n"
        f"  route GET /items/{{item_id}}: {at(handle)}\n"
        "  mend: add a parameter `item_id: str`, or take {item_id} out of the path"
    ]


def test_a_path_parameter_that_somebody_may_take(app: FastrAPI) -> None:
    def by_request(request: Request) -> None: ...

    def by_alias(number: Annotated[int, Path(alias="item_id")]) -> None: ...

    def through(found: Annotated[None, Depends(by_request)]) -> None: ...

    async def socket(websocket: WebSocket) -> None: ...

    for handle in (by_request, by_alias, through):
        assert warned(app.get(f"/{handle.__name__}/{{item_id}}"), handle) == []
    assert warned(app.websocket("/ws/{item_id}"), socket) == []

    def guarded(token: Annotated[Any, Depends(HTTPBearer())]) -> None: ...

    # A guard gets the request, but reads its header.
    assert len(warned(app.get("/guarded/{item_id}"), guarded)) == 1


def test_a_parameter_that_is_not_in_the_path(app: FastrAPI) -> None:
    def handle(item_id: Annotated[int, Path()]) -> None: ...

    text = (
        "The path has no {item_id}, which is declared with Path(): every request is answered with 422\n"
        f"  parameter 'item_id': {at(handle)}\n"
        f"  route GET /items: {at(handle)}\n"
        "  mend: write {item_id} into the path, or declare the parameter with Query()"
    )
    assert warned(app.get("/items"), handle) == [text]
    place = at(handle).split(",")[0]
    assert refused(FastAPIError, complete, app) == f"1 error in the application's declarations\nerror: {place}: {text}"


def test_a_parameter_that_an_include_may_put_into_the_path(app: FastrAPI) -> None:
    router = APIRouter()

    def handle(item_id: Annotated[int, Path()]) -> None: ...

    assert warned(router.get("/parts"), handle) == []
    assert warned(lambda: app.include_router(router, prefix="/items/{item_id}")) == []
    complete(app)
    (text,) = warned(lambda: app.include_router(router, prefix="/v1"))
    assert f"\n  route GET /v1/parts: {at(handle)}\n" in text


def test_a_default_of_a_path_parameter(app: FastrAPI) -> None:
    mend = "  mend: remove the default; declare the path without the parameter by a decorator of its own"

    def handle(item_id: Annotated[int, Path()] = 3) -> None: ...

    assert refused(AssertionError, app.get("/items/{item_id}"), handle) == (
        "Path parameters cannot have default values\n"
        f"  parameter 'item_id': {at(handle)}\n"
        f"  route GET /items/{{item_id}}: {at(handle)}\n" + mend
    )

    def declare() -> None:
        def other(item_id: int = Path(3)) -> None: ...

    line = declare.__code__.co_firstlineno + 1
    assert refused(AssertionError, declare) == (
        "Path parameters cannot have a default value\n"
        f"  declared: {__file__}:{line}, in declare\n" + mend
    )


def test_a_default_of_a_path_parameter_that_is_passed_over(app: FastrAPI) -> None:
    def handle(item_id: int = 3) -> None: ...

    def both(item_id: int = 3) -> None: ...

    app.get("/items/{item_id}")(handle)
    app.get("/both")(both)
    app.get("/both/{item_id}")(both)
    assert warned(complete, app) == [
        "The default of 'item_id' is never used: a path always has {item_id}\n"
        f"  parameter 'item_id': {at(handle)}\n"
        f"  route GET /items/{{item_id}}: {at(handle)}\n"
        "  mend: remove the default, or declare a path without the parameter too"
    ]


# ---- names ----


def test_a_name_twice_in_a_path(app: FastrAPI) -> None:
    def handle(a: int) -> None: ...

    mend = "  mend: give each parameter of a path, prefixes included, a name of its own"
    assert refused(ValueError, app.get("/{a}/{a}"), handle) == (
        f"Duplicated param name a at path /{{a}}/{{a}}\n  route GET /{{a}}/{{a}}: {at(handle)}\n{mend}"
    )
    router = APIRouter()
    router.get("/x/{a}")(handle)
    assert refused(ValueError, lambda: app.include_router(router, prefix="/{a}")) == (
        f"Duplicated param name a at path /{{a}}/x/{{a}}\n  route GET /{{a}}/x/{{a}}: {at(handle)}\n{mend}"
    )


def test_two_parameters_of_one_name(app: FastrAPI) -> None:
    def find(a: Annotated[int, Query(alias="q")], b: Annotated[str, Query(alias="q")]) -> None: ...

    def handle(found: Annotated[None, Depends(find)]) -> None: ...

    assert warned(app.get("/"), handle) == [
        "'a' and 'b' are both the query parameter 'q': the OpenAPI document has only one of them\n"
        f"  parameter 'b': {at(find)}\n"
        f"  route GET /: {at(handle)}\n"
        "  mend: give one of them another alias"
    ]

    def headers(a: Annotated[str, Header(alias="X-A")], b: Annotated[str, Header(alias="x-a")]) -> None: ...

    def places(a: Annotated[str, Header(alias="a")], b: Annotated[str, Query(alias="a")]) -> None: ...

    assert len(warned(app.get("/headers"), headers)) == 1
    assert warned(app.get("/places"), places) == []


# ---- annotations ----


class Odd: ...


INVALID = (
    f"Invalid args for response field! Hint: check that {Odd} is a valid Pydantic field type. "
    "If you are using a return type annotation that is not a valid Pydantic field (e.g. Union[Response, dict, None]) "
    "you can disable generating the response model from the type annotation with the path operation decorator "
    "parameter response_model=None. Read more: https://fastapi.tiangolo.com/tutorial/response-model/\n"
)
INVALID_MEND = (
    "  mend: use a type that Pydantic knows, or give the class a __get_pydantic_core_schema__;"
    " a return type that is no model needs response_model=None"
)


def test_an_annotation_without_a_schema(app: FastrAPI) -> None:
    def handle(odd: Odd) -> None: ...

    def answer() -> Odd: ...  # type: ignore[empty-body]

    assert refused(FastAPIError, app.get("/odd"), handle) == (
        f"{INVALID}  parameter 'odd': {at(handle)}\n  route GET /odd: {at(handle)}\n{INVALID_MEND}"
    )
    assert refused(FastAPIError, app.get("/odd"), answer) == (
        f"{INVALID}  route GET /odd: {at(answer)}\n{INVALID_MEND}"
    )


def test_a_constraint_that_pydantic_refuses(app: FastrAPI) -> None:
    def handle(text: Annotated[str, Query(pattern="(")]) -> None: ...

    text = refused(SchemaError, app.get("/"), handle)
    assert text.startswith('Error building "str" validator:')
    assert text.endswith(
        f"\n  parameter 'text': {at(handle)}\n  route GET /: {at(handle)}\n"
        "  mend: correct the constraint that Pydantic refuses"
    )


def test_an_annotation_that_stays_unknown(app: FastrAPI) -> None:
    def handle(later: "Unknown") -> None: ...  # type: ignore[name-defined] # noqa: F821

    def model() -> "Missing": ...  # type: ignore[name-defined] # noqa: F821

    mend = (
        "  mend: define or import the names in the annotation before the application is complete;"
        " `if TYPE_CHECKING:` is not enough"
    )
    app.get("/later")(handle)
    text = refused(PydanticUserError, compile_app, app)
    assert text.startswith("`TypeAdapter[typing.Annotated[ForwardRef('Unknown'), FieldInfo(")
    assert text.endswith(f"\n  parameter 'later'\n  route GET /later: {at(handle)}\n{mend}")
    other = FastrAPI()
    other.get("/model", name="model")(model)
    text = refused(PydanticUserError, compile_app, other)
    assert text.endswith(f"\n  response model 'Response_model_model_get'\n  route GET /model: {at(model)}\n{mend}")


# ---- dependencies ----


class Loop:
    def __init__(self, other: "Annotated[Again, Depends()]") -> None: ...


class Again:
    def __init__(self, other: Annotated[Loop, Depends()]) -> None: ...


def test_a_cycle(app: FastrAPI) -> None:
    def handle(loop: Annotated[Loop, Depends()]) -> None: ...

    def line(cls: type, init: Any) -> str:
        return f"{__file__}:{init.__code__.co_firstlineno - 1}, in {cls.__name__}"

    assert refused(RecursionError, app.get("/loop"), handle) == (
        "maximum recursion depth exceeded\n"
        "  the dependencies form a cycle: Loop -> Again -> Loop\n"
        f"  parameter 'other': {line(Again, Again.__init__)}\n"
        f"  parameter 'other': {line(Loop, Loop.__init__)}\n"
        f"  parameter 'loop': {at(handle)}\n"
        f"  route GET /loop: {at(handle)}\n"
        "  mend: let one of them take what it needs from the request, or as an argument, not by Depends()"
    )


def test_one_dependency_in_two_places_is_no_cycle(app: FastrAPI) -> None:
    def common() -> int:
        return 1

    def left(value: Annotated[int, Depends(common)]) -> int:
        return value

    def handle(a: Annotated[int, Depends(left)], b: Annotated[int, Depends(common)]) -> None: ...

    assert warned(app.get("/"), handle) == []


def test_a_dependency_that_can_not_be_called(app: FastrAPI) -> None:
    def inner(value: Annotated[int, Depends(5)]) -> None: ...  # type: ignore[arg-type]

    def handle(value: Annotated[None, Depends(inner)]) -> None: ...

    def plain() -> None: ...

    mend = "  mend: give Depends() the function or class itself: Depends(get_db), neither its result nor a value"
    assert refused(TypeError, app.get("/"), handle) == (
        f"5 is not a callable object\n  parameter 'value': {at(inner)}\n"
        f"  parameter 'value': {at(handle)}\n  route GET /: {at(handle)}\n{mend}"
    )
    assert refused(AssertionError, app.get("/", dependencies=[Depends(5)]), plain) == (  # type: ignore[arg-type]
        f"A parameter-less dependency must have a callable dependency\n  route GET /: {at(plain)}\n{mend}"
    )
    assert refused(AttributeError, app.get("/", dependencies=[plain]), plain) == (  # type: ignore[list-item]
        f"'function' object has no attribute 'dependency'\n  route GET /: {at(plain)}\n"
        "  mend: write each of `dependencies` as Depends(function)"
    )


def test_request_scope_on_function_scope(app: FastrAPI) -> None:
    def short() -> Iterator[int]:
        yield 1

    def long(value: Annotated[int, Depends(short, scope="function")]) -> Iterator[int]:
        yield value

    def handle(value: Annotated[int, Depends(long)]) -> None: ...

    assert refused(DependencyScopeError, app.get("/"), handle) == (
        'The dependency "long" has a scope of "request", it cannot depend on dependencies with scope "function".\n'
        f"  parameter 'value': {at(long)}\n  parameter 'value': {at(handle)}\n  route GET /: {at(handle)}\n"
        '  mend: give the inner dependency scope="request", or the outer one scope="function"'
    )


# ---- bodies ----


def test_a_body_on_get(app: FastrAPI) -> None:
    def handle(item: dict[str, int]) -> None: ...

    assert warned(app.get("/items"), handle) == [
        "'item' is taken from the body, which requests by GET hardly ever have\n"
        f"  parameter 'item': {at(handle)}\n  route GET /items: {at(handle)}\n"
        "  mend: declare it with Query(), or the route with post(), put() or patch()"
    ]
    assert warned(app.post("/items"), handle) == []
    assert warned(app.delete("/items"), handle) == []


def test_a_body_in_a_websocket(app: FastrAPI) -> None:
    async def handle(websocket: WebSocket, item: Annotated[int, Body()]) -> None: ...

    assert warned(app.websocket("/ws"), handle) == [
        "'item' is taken from the body, which a WebSocket's request doesn't have\n"
        f"  parameter 'item': {at(handle)}\n  route WebSocket /ws: {at(handle)}\n"
        "  mend: declare it with Query(), or receive it with websocket.receive_json()"
    ]


# ---- how warnings are given ----


def test_where_a_warning_is(app: FastrAPI) -> None:
    def handle(item: dict[str, int]) -> None: ...

    with pytest.warns(FastrAPIDeclarationWarning) as caught:
        app.get("/")(handle)
    (one,) = caught
    assert (one.filename, one.lineno) == (__file__, handle.__code__.co_firstlineno)


def test_filters(app: FastrAPI) -> None:
    def handle(item: dict[str, int]) -> None: ...

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", FastrAPIDeclarationWarning)
        app.get("/ignored")(handle)
    assert caught == []
    with warnings.catch_warnings():
        warnings.simplefilter("error", FastrAPIDeclarationWarning)
        with pytest.raises(FastrAPIDeclarationWarning, match="'item' is taken from the body"):
            app.get("/error")(handle)


def test_what_fastapi_accepts_is_accepted_where_all_warnings_are_errors(app: FastrAPI) -> None:
    def handle(item: dict[str, int]) -> None: ...

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        app.get("/")(handle)
    assert [one.category for one in caught] == [FastrAPIDeclarationWarning]
    assert app.url_path_for("handle") == "/"


def test_several_errors_are_told_together(app: FastrAPI) -> None:
    def one(a: Annotated[int, Path()]) -> None: ...

    def two(b: Annotated[int, Path()]) -> None: ...

    assert len(warned(app.get("/one"), one) + warned(app.get("/two"), two)) == 2
    lines = refused(FastAPIError, complete, app).splitlines()
    assert lines[0] == "2 errors in the application's declarations"
    assert [line.partition(": The")[0] for line in lines if line.startswith("error")] == [
        f"error: {at(one).split(',')[0]}",
        f"error: {at(two).split(',')[0]}",
    ]
