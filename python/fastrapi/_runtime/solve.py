"""
Dependencies, solved in Python.

For what has no plan: WebSockets, and endpoints of route classes that wrap the
handler.  Plain routes never come here.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled
from starlette.background import BackgroundTasks as StarletteBackgroundTasks
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from .._compile.dependant import (
    Dependant,
    cache_key,
    is_async_generator,
    is_coroutine,
    is_generator,
    oauth_scopes,
    replaced,
)
from .._compile.fields import Errors, Undefined
from ..background import BackgroundTasks
from ..concurrency import contextmanager_in_threadpool, run_in_threadpool
from ..security.oauth2 import SecurityScopes
from .calls import limited
from .forms import BodyReader
from .params import ParamReader


def fresh_response() -> Response:
    """The response that dependencies write headers and a status to."""
    response = Response()
    del response.headers["content-length"]
    response.status_code = None  # type: ignore[assignment]
    return response


class ShieldedExit:
    """An async context manager whose exit is not cancelled; a cancellation comes after it."""

    def __init__(self, manager: AbstractAsyncContextManager[Any], scope: CancelScope) -> None:
        self._manager = manager
        self._scope = scope

    async def __aenter__(self) -> Any:
        return await self._manager.__aenter__()

    async def __aexit__(self, kind: Any, exc: Any, traceback: Any) -> bool:
        before = self._scope.shield
        self._scope.shield = True
        try:
            swallowed = bool(await self._manager.__aexit__(kind, exc, traceback))
        finally:
            self._scope.shield = before
        if exc is None or swallowed:
            await checkpoint_if_cancelled()
        return swallowed


@dataclass
class Solver:
    """Solves the dependants of one request or WebSocket."""

    connection: Request | WebSocket
    body: Any
    embed: bool
    overrides: dict[Any, Any]
    request_stack: AsyncExitStack
    function_stack: AsyncExitStack
    response: Response = field(default_factory=fresh_response)
    background: StarletteBackgroundTasks | None = None
    cache: dict[Any, Any] = field(default_factory=dict)
    cleanup: CancelScope | None = None

    async def solve(self, dependant: Dependant) -> tuple[dict[str, Any], Errors]:
        """The arguments of a dependant's callable, and what is wrong with the request."""
        values: dict[str, Any] = {}
        errors: Errors = []
        for sub in dependant.dependencies:
            used = replaced(sub, self.overrides)
            arguments, sub_errors = await self.solve(used)
            if sub_errors:
                errors += sub_errors
                continue
            key = cache_key(sub)
            if sub.use_cache and key in self.cache:
                result = self.cache[key]
            else:
                result = await self._call(sub, used, arguments)
            self.cache.setdefault(key, result)
            if sub.name is not None:
                values[sub.name] = result
        self._read_params(dependant, values, errors)
        if dependant.body_params:
            reader = BodyReader(dependant.body_params, self.embed)
            body_values, body_errors = await reader(self.body)
            values.update(body_values)
            errors += body_errors
        self._inject(dependant, values)
        return values, errors

    async def _call(self, sub: Dependant, used: Dependant, arguments: dict[str, Any]) -> Any:
        call: Callable[..., Any] | None = used.call
        assert call is not None
        if used.concurrency is not None:
            mode = "agen" if is_async_generator(call) else "gen" if is_generator(call) else ""
            mode = mode or ("async" if is_coroutine(call) else "sync")
            call = limited(call, mode, used.concurrency)
        stack = self.function_stack if sub.scope == "function" else self.request_stack
        if is_async_generator(call):
            if self.cleanup is None:
                # Outside of every scope that a dependency opens.
                self.cleanup = self.request_stack.enter_context(CancelScope())
            manager = asynccontextmanager(call)(**arguments)
            return await stack.enter_async_context(ShieldedExit(manager, self.cleanup))
        if is_generator(call):
            blocking = contextmanager(call)(**arguments)
            return await stack.enter_async_context(contextmanager_in_threadpool(blocking))
        if is_coroutine(call):
            return await call(**arguments)
        return await run_in_threadpool(call, **arguments)

    def _read_params(self, dependant: Dependant, values: dict[str, Any], errors: Errors) -> None:
        connection = self.connection
        for place, fields, mapping in (
            ("path", dependant.path_params, connection.path_params),
            ("query", dependant.query_params, connection.query_params),
            ("header", dependant.header_params, connection.headers),
            ("cookie", dependant.cookie_params, connection.cookies),
        ):
            for param in fields:
                value, param_errors = ParamReader(param, place)(values, mapping)
                if param_errors:
                    errors += param_errors
                else:
                    values[param.name] = value

    def _inject(self, dependant: Dependant, values: dict[str, Any]) -> None:
        if dependant.http_connection_param_name:
            values[dependant.http_connection_param_name] = self.connection
        if dependant.request_param_name and isinstance(self.connection, Request):
            values[dependant.request_param_name] = self.connection
        elif dependant.websocket_param_name and isinstance(self.connection, WebSocket):
            values[dependant.websocket_param_name] = self.connection
        if dependant.background_tasks_param_name:
            if self.background is None:
                self.background = BackgroundTasks()
            values[dependant.background_tasks_param_name] = self.background
        if dependant.response_param_name:
            values[dependant.response_param_name] = self.response
        if dependant.security_scopes_param_name:
            scopes = SecurityScopes(scopes=oauth_scopes(dependant))
            values[dependant.security_scopes_param_name] = scopes


def overrides_of(provider: Any) -> dict[Any, Any]:
    return getattr(provider, "dependency_overrides", None) or {}


__all__ = ["Solver", "Undefined", "fresh_response", "overrides_of"]
