"""max_body_size at every level, whoever reads the body."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from fastrapi import APIRouter, Body, FastrAPI, Form, Request
from fastrapi.responses import PlainTextResponse
from fastrapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.routing import Route


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


async def parsed(data: bytes = Body(media_type="application/octet-stream")) -> PlainTextResponse:
    return PlainTextResponse(data)


def post(app: Any, path: str = "/", size: int = 6, length: str | None = None) -> httpx.Response:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    async def send() -> httpx.Response:
        headers = {"content-type": "application/octet-stream"} | ({} if length is None else {"content-length": length})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return await client.post(path, content=pieces(), headers=headers)

    return anyio.run(send)


@pytest.mark.parametrize("endpoint", [echo, parsed])
@pytest.mark.parametrize("length", [None, "3", "6", "no number"])
def test_what_arrives_counts(endpoint: Any, length: str | None) -> None:
    app = FastrAPI(max_body_size=5)
    app.post("/")(endpoint)
    assert post(app, size=5).text == "xxxxx"
    answer = post(app, length=length)
    assert answer.status_code == 413
    # Announced, it is refused whatever the application answers.
    assert answer.text == ("Content Too Large" if length == "6" else '{"detail":"Content Too Large"}')


@pytest.mark.parametrize(
    ("of_app", "of_include", "of_router", "of_route", "status"),
    [
        (5, None, None, None, 413),
        (5, 9, None, None, 200),
        (9, 9, 5, None, 413),
        (5, 5, 5, 9, 200),
        (9, 9, 9, 0, 413),
        (None, None, None, None, 200),
    ],
)
def test_the_nearest_limit_counts(
    of_app: int | None, of_include: int | None, of_router: int | None, of_route: int | None, status: int
) -> None:
    router = APIRouter(max_body_size=of_router)
    router.post("/", max_body_size=of_route)(echo)
    app = FastrAPI(max_body_size=of_app)
    app.include_router(router, prefix="/in", max_body_size=of_include)
    assert post(app, "/in/").status_code == status


@pytest.mark.parametrize(("outer", "inner", "status"), [(5, None, 413), (5, 9, 200), (9, 5, 413)])
@pytest.mark.parametrize("kind", ["FastrAPI", "APIRouter", "Starlette"])
def test_mounted_applications_replace_the_limit(kind: str, outer: int, inner: int | None, status: int) -> None:
    child: Any
    if kind == "Starlette":
        child = Starlette(routes=[Route("/", echo, methods=["POST"])], max_body_size=inner)
    else:
        child = (FastrAPI if kind == "FastrAPI" else APIRouter)(max_body_size=inner)
        child.post("/")(echo)
    app = FastrAPI(max_body_size=outer)
    app.mount("/child", child)
    assert post(app, "/child/").status_code == status


def test_a_body_that_nobody_reads_is_refused_too() -> None:
    app = FastrAPI(max_body_size=5)

    @app.post("/")
    def deaf() -> str:
        return "ok"

    assert post(app, length="6").status_code == 413
    assert post(app, size=5, length="5").json() == "ok"


def test_middleware_reads_within_the_limit() -> None:
    app = FastrAPI(max_body_size=5)
    app.post("/")(echo)

    @app.middleware("http")
    async def reads(request: Request, call_next: Any) -> Any:
        await request.body()
        return await call_next(request)

    assert post(app, size=5).text == "xxxxx"
    assert post(app).status_code == 413


def test_limits_on_forms_reach_mounted_applications() -> None:
    def text(text: str = Form()) -> str:
        return text

    inner = FastrAPI(form_limits={"max_fields": 2})
    inner.post("/")(text)
    inner.post("/own", form_limits={"max_part_size": 8})(text)
    between = Starlette()
    between.mount("/inner", inner)
    middle = FastrAPI()
    middle.mount("/between", between)
    app = FastrAPI(form_limits={"max_part_size": 2, "max_fields": 0})
    app.mount("/middle", middle)
    client = TestClient(app)

    def post(path: str, length: int, fields: int = 1) -> int:
        parts = [("text", (None, "x" * length)) for _ in range(fields)]
        return client.post(f"/middle/between/inner{path}", files=parts).status_code

    assert post("/", 2) == 200
    assert post("/", 3) == 400
    assert post("/own", 8) == 200
    assert post("/own", 9) == 400
    assert post("/", 2, fields=3) == 400


def test_a_replaced_way_of_reading_bodies_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Request.body

    async def counted(self: Request) -> bytes:
        return (await read(self)).replace(b"1", b"2")

    monkeypatch.setattr(Request, "body", counted)
    app = FastrAPI()
    app.post("/")(lambda number=Body(): number)
    assert TestClient(app).post("/", json=1).json() == 2
