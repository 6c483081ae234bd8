"""Lifespans of routers, and start-up and shut-down functions."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from starlette import routing
from starlette._utils import is_async_callable
from starlette.types import Lifespan


def merged_lifespan(outer: Lifespan[Any], inner: Lifespan[Any]) -> Lifespan[Any]:
    """A lifespan around another one; the outer one's state counts more."""
    @asynccontextmanager
    async def both(app: Any) -> AsyncIterator[Mapping[str, Any] | None]:
        async with outer(app) as outer_state, inner(app) as inner_state:
            if outer_state is None and inner_state is None:
                yield None
            else:
                yield {**(inner_state or {}), **(outer_state or {})}

    return cast(Lifespan[Any], both)


class _EventLifespan:
    """The lifespan of a router that has none: its start-up and shut-down functions."""

    def __init__(self, router: Any) -> None:
        self._router = router

    def __call__(self, app: object) -> "_EventLifespan":
        return self

    async def __aenter__(self) -> None:
        await self._router._startup()

    async def __aexit__(self, *exc_info: object) -> None:
        await self._router._shutdown()


def as_lifespan(router: Any, lifespan: Any) -> Lifespan[Any]:
    """What was given as a lifespan, as a function from application to context manager."""
    if lifespan is None:
        return cast(Lifespan[Any], _EventLifespan(router))
    if inspect.isasyncgenfunction(lifespan):
        return cast(Lifespan[Any], asynccontextmanager(lifespan))
    if inspect.isgeneratorfunction(lifespan):
        return cast(Lifespan[Any], routing._wrap_gen_lifespan_context(lifespan))
    return cast(Lifespan[Any], lifespan)


async def call_handler(handler: Callable[[], Any]) -> None:
    """Call a start-up or shut-down function."""
    result = handler()
    if is_async_callable(handler):
        await cast(Awaitable[Any], result)
