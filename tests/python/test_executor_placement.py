"""Where `def` callables run, and what moves them."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio.from_thread
import httpx
import pytest
from fastrapi import Depends, FastrAPI, _fastrapid


@pytest.fixture(autouse=True)
def auto() -> Any:
    _fastrapid.set_sync_handlers("auto")
    yield
    _fastrapid.set_sync_handlers("auto")


async def calls(app: FastrAPI, path: str, n: int) -> list[Any]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        answers = [await client.get(path) for _ in range(n)]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json() for answer in answers]


def placements(app: FastrAPI) -> dict[str, dict[str, Any]]:
    return {p["name"].rpartition(".")[2]: p for p in _fastrapid.placements(app)}


def test_short_ones_move_to_the_loop() -> None:
    app = FastrAPI()

    def dependency() -> int:
        return threading.get_ident()

    # The module `threading` is named above, so that one stays; this one doesn't name it.
    ident = threading.get_ident

    def short() -> int:
        return ident()

    @app.get("/")
    def endpoint(a: int = Depends(dependency), b: int = Depends(short)) -> dict[str, Any]:
        return {"named": a, "short": b, "endpoint": ident()}

    async def main() -> tuple[list[Any], int]:
        return await calls(app, "/", 300), threading.get_ident()

    answers, loop_thread = asyncio.run(main())
    assert answers[0]["short"] != loop_thread
    assert answers[-1]["short"] == loop_thread
    assert answers[-1]["endpoint"] == loop_thread
    assert {answer["named"] == loop_thread for answer in answers} == {False}
    found = placements(app)
    assert found["short"]["state"] == "inline"
    assert found["dependency"]["state"] == "threads"


def test_long_ones_stay_in_threads() -> None:
    app = FastrAPI()
    # Found by what it does, not by its name.
    pause = time.sleep

    @app.get("/")
    def endpoint() -> int:
        pause(0.01)
        return 1

    asyncio.run(calls(app, "/", 12))
    assert placements(app)["endpoint"]["state"] == "threads"


def test_one_that_becomes_long_leaves_the_loop() -> None:
    app = FastrAPI()
    pause = time.sleep
    go_on = threading.Event()
    act: list[Callable[[], object]] = [lambda: True]

    @app.get("/")
    def endpoint() -> bool:
        return bool(act[0]())

    async def main() -> None:
        await calls(app, "/", 300)
        assert placements(app)["endpoint"]["state"] == "inline"
        act[0] = lambda: pause(0.1)
        await calls(app, "/", 1)
        assert placements(app)["endpoint"]["state"] == "threads"
        # Others are not held up any more: one of them ends its waiting.
        act[0] = lambda: go_on.wait(60)
        slow = asyncio.create_task(calls(app, "/", 1))
        await asyncio.sleep(0.05)
        go_on.set()
        assert await slow == [True]

    asyncio.run(main())


def test_a_loop_of_its_own() -> None:
    app = FastrAPI()

    async def inner() -> int:
        await asyncio.sleep(0)
        return 7

    @app.get("/")
    def endpoint() -> int:
        return asyncio.run(inner())

    assert set(asyncio.run(calls(app, "/", 30))) == {7}
    assert placements(app)["endpoint"]["state"] == "threads"


def test_back_to_the_loop_from_a_thread() -> None:
    app = FastrAPI()

    async def inner() -> int:
        return 8

    @app.get("/")
    def endpoint() -> int:
        return anyio.from_thread.run(inner)

    assert set(asyncio.run(calls(app, "/", 30))) == {8}
    assert placements(app)["endpoint"]["state"] == "threads"


def test_waiting_for_another_request() -> None:
    app = FastrAPI()
    event = threading.Event()

    @app.get("/wait")
    def wait() -> bool:
        return event.wait(60)

    @app.get("/set")
    def set_() -> None:
        event.set()

    async def main() -> None:
        waiting = asyncio.create_task(calls(app, "/wait", 1))
        await asyncio.sleep(0.05)
        await calls(app, "/set", 1)
        assert await waiting == [True]

    asyncio.run(main())


@pytest.mark.parametrize("mode", ["inline", "threads"])
def test_context_and_loop(mode: str) -> None:
    """Wherever it runs: a context of its own, that begins as the request's, and no running loop."""
    _fastrapid.set_sync_handlers(mode)
    app = FastrAPI()
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def sets() -> None:
        variable.set("dependency")

    def changes(a: None = Depends(sets)) -> str:
        before = variable.get()
        variable.set("changed")
        return before

    @app.get("/")
    async def endpoint(seen: str = Depends(changes)) -> list[Any]:
        return [seen, variable.get(), asyncio.get_running_loop() is not None]

    @app.get("/loop")
    def loop() -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    assert asyncio.run(calls(app, "/", 2)) == [["dependency", "dependency", True]] * 2
    assert asyncio.run(calls(app, "/loop", 1)) == [False]


@pytest.mark.parametrize("configured", ["auto", "inline", "threads"])
def test_the_route_goes_before_the_configuration(configured: str) -> None:
    _fastrapid.set_sync_handlers(configured)
    app = FastrAPI()
    ident = threading.get_ident

    def shared() -> int:
        return ident()

    @app.get("/inline", sync_handlers="inline")
    def inline(a: int = Depends(shared)) -> list[int]:
        return [a, ident()]

    @app.get("/threads", sync_handlers="threads")
    def threads(a: int = Depends(shared)) -> list[int]:
        return [a, ident()]

    loop_thread = ident()
    for first, second in asyncio.run(calls(app, "/inline", 20)):
        assert first == second == loop_thread
    for first, second in asyncio.run(calls(app, "/threads", 20)):
        assert loop_thread not in (first, second)
    found = placements(app)
    assert (found["inline"]["state"], found["threads"]["state"]) == ("inline", "threads")
    assert {found[name]["why"] for name in ("inline", "threads")} == {"as its route says"}


@pytest.mark.parametrize("mode", ["auto", "inline", "threads"])
def test_stop_iteration(mode: str) -> None:
    _fastrapid.set_sync_handlers(mode)
    app = FastrAPI()

    @app.get("/")
    def endpoint() -> None:
        raise StopIteration(1)

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(calls(app, "/", 1))


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match="sync_handlers"):
        _fastrapid.set_sync_handlers("sometimes")
