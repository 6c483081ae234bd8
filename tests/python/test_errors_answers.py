"""Mistakes in what a function answers with: generators, status codes, models; each message in full."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

from mistakes import at, refused, warned
from pydantic import BaseModel, ConfigDict, Field, field_serializer

from fastrapi import APIRouter, Depends, FastrAPI, WebSocket
from fastrapi._compile.checks import complete
from fastrapi.exceptions import FastAPIError
from fastrapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse


class Odd: ...


# ---- generators ----


def test_a_context_manager_as_a_dependency(app: FastrAPI) -> None:
    @contextlib.asynccontextmanager
    async def session() -> AsyncIterator[int]:
        yield 1

    def handle(value: Annotated[int, Depends(session)]) -> None: ...

    assert refused(FastAPIError, app.get("/"), handle) == (
        f"@asynccontextmanager is around a function that yields and is called here as it is: {at(session.__wrapped__)}\n"  # type: ignore[attr-defined]
        f"  parameter 'value': {at(handle)}\n  route GET /: {at(handle)}\n"
        "  mend: remove @asynccontextmanager"
    )


def test_a_context_manager_as_an_endpoint(app: FastrAPI) -> None:
    @contextlib.contextmanager
    def handle() -> Iterator[int]:
        yield 1

    text = refused(FastAPIError, app.get("/"), handle)
    assert text.startswith("@contextmanager is around a function that yields")


def test_a_generator_that_nothing_streams(app: FastrAPI) -> None:
    async def handle() -> AsyncIterator[str]:
        yield "<p>"

    assert refused(FastAPIError, app.get("/", response_class=HTMLResponse), handle) == (
        "The function yields, and HTMLResponse can't send what a generator yields\n"
        f"  route GET /: {at(handle)}\n"
        "  mend: use StreamingResponse or EventSourceResponse as response_class, or none; or return one value"
    )
    assert "JSONResponse" in refused(FastAPIError, app.get("/", response_class=JSONResponse), handle)

    class Own(Response):
        def render(self, content: Any) -> bytes:
            return b""

    assert warned(app.get("/own", response_class=Own), handle) == []
    assert warned(app.get("/stream", response_class=StreamingResponse), handle) == []
    assert warned(app.get("/lines"), handle) == []


def test_a_class_that_an_include_gives_to_a_generator() -> None:
    app = FastrAPI(default_response_class=HTMLResponse)
    router = APIRouter()

    def handle() -> Iterator[str]:
        yield "<p>"

    router.get("/x")(handle)
    app.include_router(router)
    assert "HTMLResponse can't send" in refused(FastAPIError, complete, app)


def test_a_model_for_a_generator(app: FastrAPI) -> None:
    async def handle() -> int:  # type: ignore[misc]
        yield 1

    assert warned(app.get("/"), handle) == [
        "The function yields, and its response model int is not for what is yielded: nothing is validated with it\n"
        f"  parameter 'response_model': {at(handle)}\n  route GET /: {at(handle)}\n"
        "  mend: declare what is yielded by the return type, `-> AsyncIterator[...]`, or return instead of yielding"
    ]


def test_websockets_are_awaited(app: FastrAPI) -> None:
    async def handle(websocket: WebSocket) -> AsyncIterator[int]:
        yield 1

    def plain(websocket: WebSocket) -> None: ...

    assert refused(FastAPIError, app.websocket("/ws"), handle) == (
        f"A WebSocket endpoint is awaited, and this function yields\n  route WebSocket /ws: {at(handle)}\n"
        "  mend: send with websocket.send_text() or send_json() instead of yielding"
    )
    assert warned(app.websocket("/ws"), plain) == [
        f"A WebSocket endpoint is awaited, and this function is no `async def`\n  route WebSocket /ws: {at(plain)}\n"
        "  mend: write `async def`"
    ]


# ---- answers ----


def test_status_codes(app: FastrAPI) -> None:
    def handle() -> None: ...

    end = f"\n  route GET /: {at(handle)}\n  mend: use a status code such as those in fastrapi.status"
    for code in (42, 2000, "201", "abc", True):
        assert refused(FastAPIError, app.get("/", status_code=code), handle) == f"{code!r} is no status code{end}"  # type: ignore[arg-type]
    assert warned(app.get("/", status_code=299), handle) == [f"The status code 299 is not a registered one{end}"]
    assert warned(FastrAPI().get("/", status_code=101), handle) == [
        f"The status code 101 announces another answer, and can't be the answer itself{end}"
    ]
    assert warned(FastrAPI().get("/", status_code=418), handle) == []


def test_keys_of_responses(app: FastrAPI) -> None:
    def handle() -> None: ...

    def responses(key: Any, **more: Any) -> Any:
        return {key: {"description": "?", **more}}

    assert warned(app.get("/", responses=responses("oops")), handle) == [
        "'oops' in `responses` is no status code: the OpenAPI document can't be made\n"
        f"  route GET /: {at(handle)}\n  mend: write the keys of `responses` as status codes, '4XX' or 'default'"
    ]
    assert refused(ValueError, app.get("/", responses=responses("oops", model=int)), handle) == (
        "invalid literal for int() with base 10: 'oops'\n"
        f"  route GET /: {at(handle)}\n  mend: write the keys of `responses` as status codes, '4XX' or 'default'"
    )
    for key in (404, "404", "4XX", "default"):
        assert warned(FastrAPI().get("/", responses=responses(key)), handle) == []


class Loose(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)


def test_models_that_can_not_be_sent(app: FastrAPI) -> None:
    class Inner(Loose):
        odd: Odd

    class Outer(BaseModel):
        inner: list[Inner]
        act: Callable[[], int] | None = None

    def handle() -> Outer: ...  # type: ignore[empty-body]

    end = (
        f"\n  parameter 'response_model': {at(handle)}\n  route GET /: {at(handle)}\n"
        "  mend: give it a serializer (Pydantic's field_serializer or PlainSerializer), leave it out with"
        " Field(exclude=True), or set response_model=None"
    )
    assert warned(app.get("/"), handle) == [
        f"The response model can't be sent as JSON: Inner.odd is an instance of Odd, which has no serializer{end}",
        f"The response model can't be sent as JSON: Outer.act is a function{end}",
    ]


def test_models_that_can_be_sent(app: FastrAPI) -> None:
    class Text(str): ...

    class Fine(Loose):
        left_out: Annotated[Odd, Field(exclude=True)]
        own: Odd
        text: Text
        anything: object
        tree: "list[Fine]"

        @field_serializer("own")
        def _own(self, value: Odd) -> str:
            return "odd"

    def handle() -> Fine: ...  # type: ignore[empty-body]

    assert warned(app.get("/"), handle) == []
