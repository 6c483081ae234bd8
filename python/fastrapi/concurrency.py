"""Threads and contexts: Starlette's helpers, and limits on dependencies."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextlib import asynccontextmanager as asynccontextmanager
from typing import TypeVar
from weakref import WeakKeyDictionary

import anyio.to_thread
from anyio import CancelScope, CapacityLimiter, Semaphore
from anyio.lowlevel import RunVar
from starlette.concurrency import iterate_in_threadpool as iterate_in_threadpool
from starlette.concurrency import run_in_threadpool as run_in_threadpool
from starlette.concurrency import run_until_first_complete as run_until_first_complete

_T = TypeVar("_T")


@asynccontextmanager
async def contextmanager_in_threadpool(
    cm: AbstractContextManager[_T],
) -> AsyncGenerator[_T, None]:
    """Enter and leave a blocking context manager in threads."""
    # Leaving has a limiter of its own: if it had to wait for a thread while all
    # of them wait for what it would release, nothing would move again.
    limiter = CapacityLimiter(1)
    value = await run_in_threadpool(cm.__enter__)
    try:
        yield value
    except BaseException as exc:
        with CancelScope(shield=True):
            swallowed = await anyio.to_thread.run_sync(cm.__exit__, type(exc), exc, exc.__traceback__, limiter=limiter)
        if not swallowed:
            raise
    else:
        with CancelScope(shield=True):
            await anyio.to_thread.run_sync(cm.__exit__, None, None, None, limiter=limiter)


class _DependencyConcurrency:
    """How many calls of one declared dependency may be under way in one event loop."""

    def __init__(self, max_concurrency: int) -> None:
        self.max_concurrency = max_concurrency

    def get_semaphore(self) -> Semaphore:
        semaphores = _semaphores.get(None)
        if semaphores is None:
            semaphores = WeakKeyDictionary()
            _semaphores.set(semaphores)
        semaphore = semaphores.get(self)
        if semaphore is None:
            semaphore = semaphores[self] = Semaphore(self.max_concurrency)
        return semaphore


# Per event loop; the weak key lets a declaration that is gone be forgotten.
_semaphores: RunVar[WeakKeyDictionary[_DependencyConcurrency, Semaphore] | None] = RunVar(
    "fastrapi_dependency_semaphores"
)


@asynccontextmanager
async def _limited(cm: AbstractAsyncContextManager[_T], concurrency: _DependencyConcurrency) -> AsyncIterator[_T]:
    async with concurrency.get_semaphore():
        async with cm as value:
            yield value
