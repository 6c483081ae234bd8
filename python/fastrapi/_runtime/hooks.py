"""
Steps of a request that instrumentation replaces in `fastrapi.routing`.

Sentry and Logfire put functions of theirs in their place.  When one was
replaced, or a method of Request that reads the body, routes run through ASGI,
where they are called by name.
"""

import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from starlette.background import BackgroundTasks
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from .._compile.fields import Errors, Undefined
from .solve import Solver, fresh_response, overrides_of

# How a request's body is read; plans read it without a Request.
_READING = {name: getattr(Request, name) for name in ("body", "form", "stream")}


@dataclass
class SolvedDependency:
    """What the dependencies of a request came to."""

    values: dict[str, Any]
    errors: Errors
    background_tasks: BackgroundTasks | None
    response: Response
    dependency_cache: dict[Any, Any]


async def solve_dependencies(
    *,
    request: Request | WebSocket,
    dependant: Any,
    body: Any = Undefined,
    background_tasks: BackgroundTasks | None = None,
    response: Response | None = None,
    dependency_overrides_provider: Any | None = None,
    dependency_cache: dict[Any, Any] | None = None,
    async_exit_stack: AsyncExitStack,
    embed_body_fields: bool,
) -> SolvedDependency:
    """The arguments of an endpoint, and what is wrong with the request."""
    solver = Solver(
        connection=request,
        body=body,
        embed=embed_body_fields,
        overrides=overrides_of(dependency_overrides_provider),
        request_stack=async_exit_stack,
        function_stack=request.scope.get("fastapi_function_astack", async_exit_stack),
        response=response or fresh_response(),
        background=background_tasks,
        cache={} if dependency_cache is None else dependency_cache,
    )
    values, errors = await solver.solve(dependant)
    return SolvedDependency(values, errors, solver.background, solver.response, solver.cache)


async def run_endpoint_function(*, dependant: Any, values: dict[str, Any], is_coroutine: bool) -> Any:
    """Call an endpoint: here, or in a thread."""
    data = sys.modules.get("fastrapi.telemetry._data")
    telemetry = None if data is None else data.current()
    call = dependant.call
    if telemetry is None:
        return await call(**values) if is_coroutine else await run_in_threadpool(call, **values)
    if not is_coroutine:
        return await run_in_threadpool(telemetry.call, "endpoint", call, values)
    with telemetry.operation("endpoint", call):
        return await call(**values)


def get_request_handler(dependant: Any, *, state: Any) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """The function from request to response of a route, as it is where it stands."""
    from .asgi import respond

    async def handler(request: Request) -> Response:
        return await respond(state, request)

    return handler


def get_websocket_app(dependant: Any, *, route: Any) -> Callable[[WebSocket], Coroutine[Any, Any, None]]:
    """The function that runs a route's WebSockets."""
    from .asgi import run_websocket

    async def app(websocket: WebSocket) -> None:
        await run_websocket(route, websocket)

    return app


def is_replaced() -> bool:
    """Whether somebody has put other functions in the place of these."""
    from .. import routing

    if any(getattr(Request, name) is not method for name, method in _READING.items()):
        return True
    return any(
        getattr(routing, function.__name__, function) is not function
        for function in (solve_dependencies, run_endpoint_function, get_request_handler)
    )
