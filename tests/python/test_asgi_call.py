"""An application as ASGI sees it: on any loop, in any task, with anything around it."""

import asyncio
import gc
import inspect
import os
import sys
from pathlib import Path as FilePath
from typing import Annotated, Any, get_type_hints
from unittest import mock

import anyio
import httpx
import pytest
import starlette
import uvloop

import fastrapi
from fastrapi import Depends, FastrAPI, HTTPException, Path, Query, Request, Response, _fastrapid
from fastrapi.responses import EventSourceResponse, JSONResponse, PlainTextResponse, StreamingResponse
from fastrapi.testclient import TestClient
from pydantic import BaseModel
from starlette._utils import is_async_callable
from starlette.requests import ClientDisconnect


FRAMEWORK = tuple(f"{FilePath(str(module.__file__)).parent}/" for module in (fastrapi, starlette))


class Item(BaseModel):
    name: str
    price: float = 1.5


Sent = list[dict[str, Any]]


async def ask(
    app: Any, path: str = "/", *, method: str = "GET", query: bytes = b"", **more: Any
) -> Sent:
    """One request, by hand; gives the messages that were sent."""
    sent: Sent = []
    bodies = list(more.pop("bodies", [b""]))

    async def receive() -> Any:
        if not bodies:
            return {"type": "http.disconnect"}
        body = bodies.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(bodies)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [(b"content-type", b"application/json")],
        **more,
    }
    await app(scope, receive, send)
    return sent


def answer(sent: Sent) -> tuple[int, bytes]:
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])


def full_app() -> FastrAPI:
    app = FastrAPI()

    async def inner(t: str = "t") -> str:
        return t

    async def outer(x: Annotated[str, Depends(inner)]) -> str:
        return x

    @app.post("/items/{item_id}")
    async def endpoint(
        item_id: int,
        item: Item,
        x: Annotated[str, Depends(outer)],
        q: int = 3,
        name: Annotated[str, Query(min_length=1)] = "n",
    ) -> dict[str, Any]:
        return {"id": item_id, "item": item.name, "x": x, "q": q, "name": name}

    @app.post("/model")
    async def model(item: Item) -> Item:
        return item

    return app


def test_no_python_of_the_framework_runs() -> None:
    app = full_app()
    frames: list[str] = []

    def profile(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            file = frame.f_code.co_filename
            if file.startswith(FRAMEWORK):
                frames.append(f"{file}:{frame.f_code.co_name}")

    async def main() -> list[Sent]:
        request = {"method": "POST", "bodies": [b'{"name":"a"}']}
        await ask(app, "/items/4", query=b"q=5&t=u", **request)
        await ask(app, "/model", **request)
        sys.setprofile(profile)
        try:
            return [
                await ask(app, "/items/4", query=b"q=5&t=u", **request),
                await ask(app, "/model", **request),
            ]
        finally:
            sys.setprofile(None)

    first, second = asyncio.run(main())
    assert answer(first) == (200, b'{"id":4,"item":"a","x":"u","q":5,"name":"n"}')
    assert answer(second) == (200, b'{"name":"a","price":1.5}')
    assert frames == []


def test_it_is_known_as_asgi3() -> None:
    app = FastrAPI()
    assert is_async_callable(app)
    assert asyncio.iscoroutinefunction(app.__call__)
    assert inspect.iscoroutinefunction(app.__call__)
    assert list(inspect.signature(app.__call__).parameters) == ["scope", "receive", "send"]
    assert list(get_type_hints(FastrAPI.__call__)) == ["scope", "receive", "send", "return"]
    mock.create_autospec(app)


def test_the_run_is_a_coroutine() -> None:
    app = full_app()

    async def main() -> None:
        task = asyncio.create_task(ask(app, "/model", method="POST", bodies=[b'{"name":"a"}']))
        assert answer(await task)[0] == 200
        run = app({"type": "http", "method": "GET", "path": "/", "headers": []}, None, None)
        assert asyncio.iscoroutine(run)
        assert inspect.isawaitable(run)
        assert run.cr_running is False
        run.close()
        with pytest.raises(RuntimeError, match="already awaited"):
            run.send(None)

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_on_every_loop(backend: str) -> None:
    app = FastrAPI()

    @app.get("/")
    async def endpoint(pause: float = 0) -> str:
        await anyio.sleep(pause)
        return "waited"

    @app.get("/def")
    def sync() -> str:
        return "def"

    async def main() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            answers = [await client.get("/"), await client.get("/?pause=0.01")]
            answers += [await client.get("/def") for _ in range(12)]
            return answers

    if backend == "uvloop":
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            answers = runner.run(main())
    else:
        answers = anyio.run(main, backend=backend)
    assert [a.json() for a in answers] == ["waited"] * 2 + ["def"] * 12


def test_bodies_in_pieces() -> None:
    app = full_app()
    pieces = [b'{"na', b'me":', b'"a"}']
    sent = asyncio.run(ask(app, "/model", method="POST", bodies=pieces))
    assert answer(sent) == (200, b'{"name":"a","price":1.5}')


def test_a_client_that_leaves_while_its_body_is_read() -> None:
    app = full_app()
    sent = asyncio.run(ask(app, "/model", method="POST", bodies=[]))
    assert answer(sent) == (400, b'{"detail":"There was an error parsing the body"}')


def test_a_client_that_leaves_an_endpoint_that_reads() -> None:
    app = FastrAPI()

    @app.post("/")
    async def endpoint(request: Request) -> str:
        with pytest.raises(ClientDisconnect):
            await request.body()
        return "gone"

    assert answer(asyncio.run(ask(app, method="POST", bodies=[]))) == (200, b'"gone"')


def test_the_body_is_there_again() -> None:
    app = FastrAPI()

    @app.post("/")
    async def endpoint(item: Item, request: Request) -> list[Any]:
        return [item.name, (await request.body()).decode(), await request.json()]

    sent = asyncio.run(ask(app, method="POST", bodies=[b'{"name": "a"}']))
    assert answer(sent) == (200, b'["a","{\\"name\\": \\"a\\"}",{"name":"a"}]')


def test_route_and_parameters_in_the_scope() -> None:
    app = FastrAPI()

    @app.get("/{a}/{b:int}")
    async def endpoint(a: str, b: Annotated[int, Path()]) -> None:
        pass

    seen: dict[str, Any] = {}

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)
        seen.update(scope)

    assert answer(asyncio.run(ask(around, "/x/5")))[0] == 200
    assert seen["path_params"] == {"a": "x", "b": 5}
    assert seen["endpoint"] is endpoint
    assert seen["route"] is app.routes[-1]
    assert seen["app"] is app


def test_errors_are_answered_and_raised() -> None:
    app = FastrAPI()

    @app.get("/")
    async def endpoint() -> None:
        raise LookupError("deep down")

    async def main() -> Sent:
        sent: Sent = []

        async def send(message: Any) -> None:
            sent.append(message)

        with pytest.raises(LookupError, match="deep down") as raised:
            await app({"type": "http", "method": "GET", "path": "/", "headers": []}, None, send)
        assert raised.traceback[-1].name == "endpoint"
        return sent

    assert answer(asyncio.run(main())) == (500, b"Internal Server Error")


def test_an_error_after_the_start_is_raised_only() -> None:
    app = FastrAPI()

    async def pieces() -> Any:
        yield b"one"
        raise LookupError

    @app.get("/")
    async def endpoint() -> StreamingResponse:
        return StreamingResponse(pieces())

    async def main() -> Sent:
        sent: Sent = []

        async def receive() -> Any:
            await asyncio.sleep(60)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        with pytest.raises(LookupError):
            await app(scope, receive, send)
        return sent

    sent = asyncio.run(main())
    assert [m["type"] for m in sent] == ["http.response.start", "http.response.body"]


def test_handlers_for_500_and_within_handlers() -> None:
    app = FastrAPI()

    @app.exception_handler(Exception)
    async def last(request: Request, exc: Exception) -> Response:
        return PlainTextResponse(f"last: {exc!r}", status_code=500)

    @app.exception_handler(KeyError)
    async def forwards(request: Request, exc: KeyError) -> Response:
        raise HTTPException(499, "from the handler")

    @app.exception_handler(404)
    async def missing(request: Request, exc: HTTPException) -> Response:
        return JSONResponse({"missing": request.url.path}, status_code=404)

    @app.get("/lookup")
    async def lookup() -> None:
        raise IndexError("x")

    @app.get("/key")
    async def key() -> None:
        raise KeyError("x")

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/lookup").text == "last: IndexError('x')"
    assert client.get("/key").json() == {"detail": "from the handler"}
    assert client.get("/nowhere").json() == {"missing": "/nowhere"}


def test_what_changes_is_compiled_again() -> None:
    app = FastrAPI()
    client = TestClient(app)

    def dependency() -> str:
        return "real"

    @app.get("/a")
    async def a(x: str = Depends(dependency)) -> str:
        return x

    assert client.get("/a").json() == "real"
    app.dependency_overrides[dependency] = lambda: "override"
    assert client.get("/a").json() == "override"
    app.dependency_overrides[dependency] = lambda q: q
    assert client.get("/a").status_code == 422
    assert client.get("/a?q=5").json() == "5"
    app.dependency_overrides.clear()
    assert client.get("/a").json() == "real"

    assert client.get("/b").status_code == 404
    app.get("/b")(lambda: "new")
    assert client.get("/b").json() == "new"

    calls: list[str] = []

    @app.middleware("http")
    async def around(request: Request, call_next: Any) -> Any:
        calls.append(request.url.path)
        response = await call_next(request)
        response.headers["x-around"] = "yes"
        return response

    assert client.get("/b").headers["x-around"] == "yes"
    assert calls == ["/b"]


def test_middleware_sees_errors_and_the_500_is_outside() -> None:
    app = FastrAPI()
    seen: list[str] = []

    class Around:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            try:
                await self.app(scope, receive, send)
            except Exception as exc:
                seen.append(repr(exc))
                raise

    app.add_middleware(Around)

    @app.get("/fails")
    async def fails() -> None:
        raise IndexError("x")

    @app.get("/http")
    async def http() -> None:
        raise HTTPException(402)

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/fails").status_code == 500
    assert client.get("/http").status_code == 402
    assert client.get("/nowhere").status_code == 404
    assert seen == ["IndexError('x')"]


def test_lifespan() -> None:
    from contextlib import asynccontextmanager

    log: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastrAPI) -> Any:
        log.append("up")
        yield {"key": "value"}
        log.append("down")

    app = FastrAPI(lifespan=lifespan)

    @app.get("/")
    async def endpoint(request: Request) -> str:
        return request.state.key

    with TestClient(app) as client:
        assert client.get("/").json() == "value"
    assert log == ["up", "down"]


def test_mounted_below_a_path() -> None:
    app, inner = FastrAPI(), FastrAPI()

    @inner.get("/x/{a}")
    async def endpoint(a: str, request: Request) -> list[Any]:
        return [a, request.scope["root_path"], request.url.path]

    app.mount("/below", inner)
    client = TestClient(app)
    assert client.get("/below/x/1").json() == ["1", "/below", "/below/x/1"]
    assert client.get("/below/y").status_code == 404
    slash = client.get("/below/x/1/", follow_redirects=False)
    assert (slash.status_code, slash.headers["location"]) == (
        307,
        "http://testserver/below/x/1",
    )


def test_max_body_size_of_a_route() -> None:
    app = FastrAPI()

    @app.post("/", max_body_size=10)
    async def endpoint(item: Any = None, body: Item | None = None) -> str:
        return "taken"

    client = TestClient(app)
    assert client.post("/", json=None).status_code == 200
    assert client.post("/", json={"name": "a" * 20}).status_code == 413


def memory() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_nothing_is_kept() -> None:
    """20,000 requests of all kinds leave neither objects nor memory behind."""
    app = FastrAPI()

    async def agen() -> Any:
        yield 1

    def gen() -> Any:
        yield 2

    @app.post("/{a}")
    async def endpoint(
        a: int,
        item: Item,
        request: Request,
        response: Response,
        x: int = Depends(agen),
        y: int = Depends(gen),
        q: list[int] = Query([]),
    ) -> Item:
        response.headers["x"] = "y"
        if a == 3:
            raise HTTPException(402)
        if a == 4:
            raise LookupError
        return item

    @app.get("/")
    async def small() -> Any:
        return {"a": [1, 2.5, "é"]}

    async def round_trip() -> None:
        await ask(app)
        await ask(app, "/1", method="POST", query=b"q=1&q=%32", bodies=[b'{"name":"a"}'])
        await ask(app, "/x", method="POST", query=b"q=z", bodies=[b'{"name":', b"1}"])
        await ask(app, "/2", method="POST", bodies=[b"{"])
        await ask(app, "/3", method="POST", bodies=[b'{"name":"a"}'])
        try:
            await ask(app, "/4", method="POST", bodies=[b'{"name":"a"}'])
        except LookupError:
            pass
        await ask(app, "/no/where")
        await ask(app, "/1")

    async def main() -> tuple[int, int]:
        _fastrapid.set_sync_handlers("inline")
        for _ in range(300):
            await round_trip()
        gc.collect()
        objects, before = len(gc.get_objects()), memory()
        for _ in range(2500):
            await round_trip()
        gc.collect()
        return len(gc.get_objects()) - objects, memory() - before

    try:
        objects, grown = asyncio.run(main())
    finally:
        _fastrapid.set_sync_handlers("auto")
    assert objects < 200
    # A sanitizer keeps freed memory for a while.
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):
        assert grown < 4 << 20


def test_abandoned_runs_are_collected() -> None:
    app = FastrAPI()
    closed: list[str] = []

    @app.get("/")
    async def endpoint() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append("closed")

    async def main() -> None:
        async def send(message: Any) -> None:
            pass

        for _ in range(3):
            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            run = app(scope, None, send)
            # A cycle that only the collector can undo.
            scope["cycle"] = run
            run.send(None)
            del run, scope
        gc.collect()

    asyncio.run(main())
    assert closed == ["closed"] * 3


def test_app_is_freed() -> None:
    import weakref

    app = full_app()
    asyncio.run(ask(app, "/model", method="POST", bodies=[b'{"name":"a"}']))
    reference = weakref.ref(app)
    del app
    gc.collect()
    assert reference() is None


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
@pytest.mark.parametrize(
    ("own", "servers", "path", "expected"),
    [
        ("", "", "/x", "/x"),
        ("", "/api", "/api/x", "/x"),
        ("", "/api", "/x", "/x"),
        ("", "/api", "/apix", 404),
        ("", "/api", "/api/x/", "http://h/api/x"),
        ("/api", "", "/api/x", "/x"),
        ("/api", "/other", "/api/x", "/x"),
        ("", "", "", 404),
        ("", "", "*", 404),
        ("", "", "//", 404),
    ],
)
def test_root_path(own: str, servers: str, path: str, expected: Any) -> None:
    app = FastrAPI(root_path=own)

    @app.get("/x")
    async def endpoint(request: Request) -> str:
        return request.scope["route"].path

    sent = asyncio.run(ask(app, path, root_path=servers, server=("h", 80), scheme="http"))
    status, body = answer(sent)
    if expected == 404:
        assert status == 404
    elif status == 307:
        assert (b"location", expected.encode()) in sent[0]["headers"]
    else:
        assert (status, body) == (200, f'"{expected}"'.encode())


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_generator_of_events_ends_with_its_client(kind: str) -> None:
    """One that waits at its yield when the client leaves is closed then, not when garbage is collected."""
    app = FastrAPI()
    ended = []

    @app.get("/async", response_class=EventSourceResponse)
    async def events():
        try:
            while True:
                yield {"x": 1}
        finally:
            await asyncio.sleep(0)
            ended.append("async")

    @app.get("/sync", response_class=EventSourceResponse)
    def sync_events():
        try:
            while True:
                yield {"x": 1}
        finally:
            ended.append("sync")

    async def main() -> None:
        left = asyncio.Event()

        async def receive() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                await asyncio.sleep(0.05)  # while this lasts, the queues before it fill up
                left.set()
                await asyncio.sleep(10)

        scope = {"type": "http", "method": "GET", "path": f"/{kind}", "query_string": b"", "headers": []}
        await app(scope, receive, send)
        assert ended == [kind]

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()
