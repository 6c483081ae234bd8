"""Dependencies with yield: when they end, in which order, and what they are told."""

import sys
from typing import Any

import pytest
from fastrapi import BackgroundTasks, Depends, FastrAPI, HTTPException, _fastrapid
from fastrapi.responses import JSONResponse
from fastrapi.testclient import TestClient


class Boom(Exception):
    pass


class Handled(Exception):
    pass


@pytest.fixture(params=["auto", "inline", "threads"])
def app(request: pytest.FixtureRequest) -> Any:
    """An application for each placement of `def`."""
    _fastrapid.set_sync_handlers(request.param)
    yield FastrAPI()
    _fastrapid.set_sync_handlers("auto")


def sync_dep(log: list[Any], name: str) -> Any:
    def dependency() -> Any:
        log.append(f"+{name}")
        try:
            yield name
        except BaseException as exc:
            log.append(f"{name}:{type(exc).__name__}")
            raise
        finally:
            log.append(f"-{name}")

    return dependency


def async_dep(log: list[Any], name: str) -> Any:
    async def dependency() -> Any:
        log.append(f"+{name}")
        try:
            yield name
        except BaseException as exc:
            log.append(f"{name}:{type(exc).__name__}")
            raise
        finally:
            log.append(f"-{name}")

    return dependency


def test_order(app: FastrAPI) -> None:
    log: list[Any] = []

    async def note(what: str) -> None:
        log.append(what)

    @app.get("/")
    async def endpoint(
        tasks: BackgroundTasks,
        a: str = Depends(sync_dep(log, "a")),
        b: str = Depends(async_dep(log, "b")),
        c: str = Depends(sync_dep(log, "c"), scope="function"),
        d: str = Depends(async_dep(log, "d"), scope="function"),
    ) -> list[str]:
        log.append("endpoint")
        tasks.add_task(note, "task")
        return [a, b, c, d]

    for _ in range(12):
        log.clear()
        assert TestClient(app).get("/").json() == ["a", "b", "c", "d"]
        assert log == ["+a", "+b", "+c", "+d", "endpoint", "-d", "-c", "task", "-b", "-a"]


def test_answer_leaves_between_the_scopes(app: FastrAPI) -> None:
    log: list[Any] = []

    @app.get("/")
    async def endpoint(
        a: str = Depends(sync_dep(log, "request")),
        b: str = Depends(async_dep(log, "function"), scope="function"),
    ) -> None:
        pass

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            log.append(message["type"].rpartition(".")[2])
            await send(message)

        await app(scope, receive, noting)

    TestClient(watched).get("/")
    assert log == [
        "+request",
        "+function",
        "-function",
        "start",
        "body",
        "-request",
    ]


@pytest.mark.parametrize("kind", [sync_dep, async_dep])
@pytest.mark.parametrize("where", ["endpoint", "dependency"])
def test_exceptions_are_thrown_in(app: FastrAPI, kind: Any, where: str) -> None:
    log: list[Any] = []

    @app.exception_handler(Handled)
    async def handler(request: Any, exc: Handled) -> JSONResponse:
        log.append(f"handler, in {sys.exc_info()[0] and sys.exc_info()[0].__name__}")
        return JSONResponse({"handled": str(exc)}, status_code=418)

    def fails() -> None:
        if where == "dependency":
            raise Handled("x")

    @app.get("/")
    async def endpoint(
        a: str = Depends(kind(log, "a")),
        b: str = Depends(kind(log, "b"), scope="function"),
        c: None = Depends(fails),
    ) -> None:
        raise Handled("x")

    answer = TestClient(app).get("/")
    assert (answer.status_code, answer.json()) == (418, {"handled": "x"})
    assert log == [
        "+a",
        "+b",
        "b:Handled",
        "-b",
        "a:Handled",
        "-a",
        "handler, in Handled",
    ]


def test_an_exception_may_become_another(app: FastrAPI) -> None:
    def changes() -> Any:
        try:
            yield
        except Boom as exc:
            raise HTTPException(409, "changed") from exc

    @app.get("/")
    def endpoint(a: None = Depends(changes)) -> None:
        raise Boom

    answer = TestClient(app).get("/")
    assert (answer.status_code, answer.json()) == (409, {"detail": "changed"})


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("scope", ["function", "request"])
def test_a_swallowed_exception_is_an_error(
    app: FastrAPI, asynchronous: bool, scope: Any
) -> None:
    def swallows() -> Any:
        try:
            yield
        except Boom:
            pass

    async def async_swallows() -> Any:
        try:
            yield
        except Boom:
            pass

    @app.get("/")
    async def endpoint(
        a: None = Depends(async_swallows if asynchronous else swallows, scope=scope),
    ) -> None:
        raise Boom

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/").status_code == 500
    with pytest.raises(Exception, match="Response not awaited"):
        TestClient(app).get("/")


def none_yielded() -> Any:
    if False:
        yield


async def none_yielded_async() -> Any:
    if False:
        yield


def two_yielded() -> Any:
    yield
    yield


async def two_yielded_async() -> Any:
    yield
    yield


@pytest.mark.parametrize(
    ("dependency", "text"),
    [
        (none_yielded, "generator didn't yield"),
        (none_yielded_async, "generator didn't yield"),
        (two_yielded, "generator didn't stop"),
        (two_yielded_async, "generator didn't stop"),
    ],
)
def test_generators_that_yield_too_seldom_or_too_often(
    app: FastrAPI, dependency: Any, text: str
) -> None:
    @app.get("/")
    async def endpoint(a: None = Depends(dependency)) -> None:
        pass

    with pytest.raises(RuntimeError, match=text):
        TestClient(app).get("/")


def test_the_second_generator_fails_to_begin(app: FastrAPI) -> None:
    log: list[Any] = []

    def fails() -> Any:
        raise Boom
        yield

    @app.get("/")
    async def endpoint(
        a: str = Depends(async_dep(log, "a")), b: None = Depends(fails)
    ) -> None:
        log.append("never")

    with pytest.raises(Boom):
        TestClient(app).get("/")
    assert log == ["+a", "a:Boom", "-a"]


def test_a_background_task_that_fails(app: FastrAPI) -> None:
    log: list[Any] = []

    def fails() -> None:
        raise Boom("in the background")

    @app.get("/")
    async def endpoint(tasks: BackgroundTasks, a: str = Depends(async_dep(log, "a"))) -> int:
        tasks.add_task(fails)
        return 1

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert (answer.status_code, answer.json()) == (200, 1)
    assert log == ["+a", "a:Boom", "-a"]
    with pytest.raises(Boom, match="in the background"):
        TestClient(app).get("/")


def test_handled_too_late(app: FastrAPI) -> None:
    @app.exception_handler(Handled)
    async def handler(request: Any, exc: Handled) -> JSONResponse:
        return JSONResponse(1)

    def late() -> Any:
        yield
        raise Handled

    @app.get("/")
    async def endpoint(a: None = Depends(late)) -> int:
        return 2

    assert TestClient(app, raise_server_exceptions=False).get("/").json() == 2
    with pytest.raises(RuntimeError, match="response already started"):
        TestClient(app).get("/")


def test_cancellation_runs_the_exits() -> None:
    """An anyio scope of the caller's is cancelled: exits can still wait."""
    anyio = pytest.importorskip("anyio")
    log: list[Any] = []
    scopes: list[Any] = []
    app = FastrAPI()

    async def dependency() -> Any:
        try:
            yield
        finally:
            await anyio.sleep(0.01)
            log.append("cleaned up")

    @app.get("/")
    async def endpoint(a: None = Depends(dependency)) -> None:
        log.append("waiting")
        scopes[-1].cancel()
        await anyio.sleep(60)

    async def main() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            log.append(message["type"])

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        with anyio.CancelScope() as cancelled:
            scopes.append(cancelled)
            await app(scope, receive, send)
        log.append("gone on")

    for backend in ("asyncio", "trio"):
        log.clear()
        anyio.run(main, backend=backend)
        assert log == ["waiting", "cleaned up", "gone on"]


def test_task_cancellation_runs_the_exits() -> None:
    import asyncio

    log: list[Any] = []
    app = FastrAPI()

    async def main() -> None:
        waits = asyncio.Event()

        @app.get("/")
        async def endpoint(
            a: None = Depends(async_dep(log, "a")), b: None = Depends(sync_dep(log, "b"))
        ) -> None:
            waits.set()
            await asyncio.sleep(60)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            log.append(message["type"])

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        task = asyncio.create_task(app(scope, receive, send))
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert log == ["+a", "+b", "b:CancelledError", "-b", "a:CancelledError", "-a"]
