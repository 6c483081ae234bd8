"""Callables that stand in a plan for others."""

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from typing import Any

from .._compile.fields import ModelField
from ..concurrency import _DependencyConcurrency, contextmanager_in_threadpool, run_in_threadpool


class DefaultValue:
    """Makes the default of a field that has a factory."""

    __slots__ = ("field",)

    def __init__(self, field: ModelField) -> None:
        self.field = field

    def __call__(self) -> Any:
        return deepcopy(self.field.default)


def limited(call: Callable[..., Any], mode: str, concurrency: _DependencyConcurrency) -> Callable[..., Any]:
    """A dependency of which only so many may run at a time."""
    if mode in ("gen", "agen"):

        async def generator(**values: Any) -> AsyncIterator[Any]:
            async with concurrency.get_semaphore():
                if mode == "agen":
                    manager = asynccontextmanager(call)(**values)
                else:
                    manager = contextmanager_in_threadpool(contextmanager(call)(**values))
                async with manager as value:
                    yield value

        return _named(generator, call)

    async def function(**values: Any) -> Any:
        async with concurrency.get_semaphore():
            if mode == "async":
                return await call(**values)
            return await run_in_threadpool(call, **values)

    return _named(function, call)


def _named(wrapper: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    functools.update_wrapper(wrapper, call)
    # Seen through, the wrapper would be taken for what it wraps.
    del wrapper.__wrapped__  # type: ignore[attr-defined]
    return wrapper
