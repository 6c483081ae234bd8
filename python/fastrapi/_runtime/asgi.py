"""
Routes as ASGI callables.

For routes that have no plan: WebSockets, route classes that wrap their
handler, and routers that are mounted on their own.
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from contextvars import ContextVar
from typing import Any, cast

from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from .. import params
from .._compile.dependant import is_any_generator, is_coroutine
from .._compile.fields import Undefined
from .._route import given
from ..datastructures import DefaultPlaceholder
from ..encoders import jsonable_encoder
from ..exceptions import (
    FastAPIError,
    RequestValidationError,
    ResponseValidationError,
    WebSocketRequestValidationError,
)
from .answers import dump_options, make_response
from .bodies import body_error, parse_json_body
from .errors import endpoint_context, request_validation_error
from .forms import parse_form
from .hooks import Answering, SolvedDependency, get_websocket_app, handler_options
from .limits import BodyLimit
from .streams import stream_responder

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _Application:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs a request, in C: this only shows inspect what that looks like."""


call_like = _Application.__call__

# What an included route is where it is included, while its handler is made.
_state: ContextVar[Any] = ContextVar("fastrapi_route_state", default=None)

# On a handler and on its ASGI callable: the route that they belong to, if nothing is wrapped around.
_PLAIN = "_fastrapi_route"

_NOT_AWAITED = (
    "Response not awaited. There's a high chance that the "
    "application code is raising an exception and a dependency with yield "
    "has a block with a bare except, or a block with except Exception, "
    "and is not raising the exception again. Read more about it in the "
    "docs: https://fastapi.tiangolo.com/tutorial/dependencies/"
    "dependencies-with-yield/#dependencies-with-yield-and-except"
)


def route_handler(route: Any) -> Handler:
    """The function from request to response that a route class may wrap."""
    state = _state.get()
    if state is None or state.original_route is not route:
        state = route

    from .. import routing

    handler = routing.get_request_handler(**handler_options(state))
    vars(handler)[_PLAIN] = route
    return handler


def is_plain(app: ASGIApp, route: Any) -> bool:
    """Whether a callable that was made for a route is what the route would make itself."""
    return getattr(app, _PLAIN, None) is route


def request_response(func: Callable[[Request], Awaitable[Response] | Response]) -> ASGIApp:
    """A function from request to response as an ASGI callable."""
    is_async = is_coroutine(func)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            awaited = False
            async with AsyncExitStack() as request_stack:
                scope["fastapi_inner_astack"] = request_stack
                async with AsyncExitStack() as function_stack:
                    scope["fastapi_function_astack"] = function_stack
                    if is_async:
                        response = await cast(Awaitable[Response], func(request))
                    else:
                        response = cast(Response, await run_in_threadpool(func, request))
                await response(scope, receive, send)
                awaited = True
            if not awaited:
                raise FastAPIError(_NOT_AWAITED)

        async with AsyncExitStack() as files:
            scope["fastapi_middleware_astack"] = files
            await wrap_app_handling_exceptions(inner, request)(scope, receive, send)

    vars(app)[_PLAIN] = getattr(func, _PLAIN, None)
    return app


def websocket_session(func: Callable[[WebSocket], Awaitable[None]]) -> ASGIApp:
    """A function of a WebSocket as an ASGI callable."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive=receive, send=send)

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            async with AsyncExitStack() as request_stack:
                scope["fastapi_inner_astack"] = request_stack
                async with AsyncExitStack() as function_stack:
                    scope["fastapi_function_astack"] = function_stack
                    await func(websocket)

        await wrap_app_handling_exceptions(inner, websocket)(scope, receive, send)

    return app


def route_app(route: Any, state: Any) -> ASGIApp:
    """A route as an ASGI callable, around whatever its class makes of the handler."""
    token = _state.set(state)
    try:
        handler = route.get_route_handler()
    finally:
        _state.reset(token)
    app = request_response(handler)
    return app if state.max_body_size is None else BodyLimit(app, state.max_body_size)


class _Untraced:
    """What stands for telemetry where there is none."""

    data = None

    def operation(self, name: str, function: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def invalid(self, exc: Exception) -> None:
        """Nobody is told."""


_untraced: Any = _Untraced()


async def _read_body(state: Any, request: Request, telemetry: Any) -> Any:
    field = state.body_field
    if field is None:
        return Undefined
    try:
        if isinstance(field.field_info, params.Form):
            form = await parse_form(request, state)
            request.scope["fastapi_middleware_astack"].push_async_callback(form.close)
            return form
        body = await request.body()
        if not body:
            return Undefined
        strict = bool(given(state.strict_content_type))
        return parse_json_body(state, request.headers.get("content-type"), body, strict)
    except Exception as exc:
        error = body_error(exc, state, request.method, request.scope.get("root_path"))
        if error is exc:
            raise
        if isinstance(error, RequestValidationError):
            telemetry.invalid(error)
        raise error from exc


async def respond(state: Answering, request: Request) -> Response:
    """The response of a route that has no plan."""
    from .. import routing

    scope = request.scope
    telemetry = scope.get("fastapi.telemetry") or _untraced
    if telemetry.data is not None:
        telemetry.data.request = request
    body = await _read_body(state, request, telemetry)
    if telemetry.data is not None:
        telemetry.data.body = None if body is Undefined else body
    call = state.dependant.call
    solved = await _solve(
        telemetry,
        request=request,
        dependant=state.dependant,
        body=body,
        dependency_overrides_provider=state.dependency_overrides_provider,
        async_exit_stack=scope["fastapi_inner_astack"],
        embed_body_fields=state.embed_body_fields,
    )
    values, errors = solved.values, solved.errors
    if errors:
        error = request_validation_error(errors, body, state, request.method, scope.get("root_path"))
        telemetry.invalid(error)
        raise error
    if is_any_generator(call):
        return await stream_responder(state)(
            call(**values),
            status=None,
            background=solved.background_tasks,
            injected=solved.response,
            stack=scope["fastapi_inner_astack"],
        )
    content = await routing.run_endpoint_function(
        dependant=state.dependant, values=values, is_coroutine=is_coroutine(call)
    )
    if isinstance(content, Response):
        if content.background is None:
            content.background = solved.background_tasks
        return content
    with telemetry.operation("serialization", call):
        content, is_json = _encode(state, content, request)
    return make_response(
        state,
        content,
        background=solved.background_tasks,
        injected=solved.response,
        is_json=is_json,
    )


async def _solve(telemetry: Any, **request: Any) -> SolvedDependency:
    from .. import routing

    with telemetry.operation("dependencies", request["dependant"].call):
        solved: SolvedDependency = await routing.solve_dependencies(**request)
        if telemetry.data is not None:
            telemetry.data.values = solved.values
            telemetry.data.errors = solved.errors
    return solved


def _encode(state: Any, content: Any, request: Request) -> tuple[Any, bool]:
    """What an endpoint returned as plain data, or as JSON."""
    field = state.response_field
    if field is None:
        return jsonable_encoder(content), False
    is_json = isinstance(state.response_class, DefaultPlaceholder)
    value, errors = field.validate(content, loc=("response",))
    if errors:
        context = endpoint_context(state, request.method, request.scope.get("root_path"))
        raise ResponseValidationError(errors, body=content, endpoint_ctx=context)
    dump = field.serialize_json if is_json else field.serialize
    return dump(value, **dump_options(state)), is_json


def websocket_app(route: Any) -> ASGIApp:
    """A WebSocket route as an ASGI callable."""
    return websocket_session(
        get_websocket_app(route.dependant, route.dependency_overrides_provider, route._embed_body_fields)
    )


async def run_websocket(route: Answering, websocket: WebSocket) -> None:
    """One WebSocket from its handshake to its end."""
    telemetry = websocket.scope.get("fastapi.telemetry") or _untraced
    if telemetry.data is not None:
        telemetry.data.websocket = websocket
    solved = await _solve(
        telemetry,
        request=websocket,
        dependant=route.dependant,
        dependency_overrides_provider=route.dependency_overrides_provider,
        async_exit_stack=websocket.scope["fastapi_inner_astack"],
        embed_body_fields=route.embed_body_fields,
    )
    if solved.errors:
        context = endpoint_context(route, "WS", websocket.scope.get("root_path"))
        error = WebSocketRequestValidationError(solved.errors, endpoint_ctx=context)
        telemetry.invalid(error)
        raise error
    with telemetry.operation("endpoint", route.dependant.call):
        await route.dependant.call(**solved.values)
