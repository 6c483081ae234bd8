"""
Routes as ASGI callables.

For routes that have no plan: WebSockets, route classes that wrap their
handler, and routers that are mounted on their own.
"""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import Any

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
from ..exceptions import FastAPIError, ResponseValidationError, WebSocketRequestValidationError
from .answers import make_response
from .bodies import body_error, parse_json_body
from .errors import endpoint_context, request_validation_error
from .forms import parse_form
from .limits import BodyLimit
from .solve import Solver, overrides_of
from .streams import stream_responder

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

# What an included route is where it is included, while its handler is made.
_state: ContextVar[Any] = ContextVar("fastrapi_route_state", default=None)

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

    async def handler(request: Request) -> Response:
        return await _respond(state, request)

    return handler


def route_app(route: Any, state: Any) -> ASGIApp:
    """A route as an ASGI callable, around whatever its class makes of the handler."""
    token = _state.set(state)
    try:
        handler = route.get_route_handler()
    finally:
        _state.reset(token)
    is_async = is_coroutine(handler)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            awaited = False
            async with AsyncExitStack() as request_stack:
                scope["fastapi_inner_astack"] = request_stack
                async with AsyncExitStack() as function_stack:
                    scope["fastapi_function_astack"] = function_stack
                    if is_async:
                        response = await handler(request)
                    else:
                        response = await run_in_threadpool(handler, request)
                await response(scope, receive, send)
                awaited = True
            if not awaited:
                raise FastAPIError(_NOT_AWAITED)

        async with AsyncExitStack() as files:
            scope["fastapi_middleware_astack"] = files
            await wrap_app_handling_exceptions(inner, request)(scope, receive, send)

    return app if state.max_body_size is None else BodyLimit(app, state.max_body_size)


async def _read_body(state: Any, request: Request) -> Any:
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
        raise error from exc


async def _respond(state: Any, request: Request) -> Response:
    scope = request.scope
    body = await _read_body(state, request)
    solver = Solver(
        connection=request,
        body=body,
        embed=state._embed_body_fields,
        overrides=overrides_of(state.dependency_overrides_provider),
        request_stack=scope["fastapi_inner_astack"],
        function_stack=scope["fastapi_function_astack"],
    )
    values, errors = await solver.solve(state.dependant)
    if errors:
        raise request_validation_error(errors, body, state, request.method, scope.get("root_path"))
    call = state.dependant.call
    if is_any_generator(call):
        return await stream_responder(state)(
            call(**values),
            status=None,
            background=solver.background,
            injected=solver.response,
            stack=solver.request_stack,
        )
    is_async = is_coroutine(call)
    content = await call(**values) if is_async else await run_in_threadpool(call, **values)
    if isinstance(content, Response):
        if content.background is None:
            content.background = solver.background
        return content
    field = state.response_field
    is_json = field is not None and isinstance(state.response_class, DefaultPlaceholder)
    if field is None:
        content = jsonable_encoder(content)
    else:
        value, errors = field.validate(content, loc=("response",))
        if errors:
            context = endpoint_context(state, request.method, scope.get("root_path"))
            raise ResponseValidationError(errors, body=content, endpoint_ctx=context)
        dump = field.serialize_json if is_json else field.serialize
        content = dump(
            value,
            include=state.response_model_include,
            exclude=state.response_model_exclude,
            by_alias=state.response_model_by_alias,
            exclude_unset=state.response_model_exclude_unset,
            exclude_defaults=state.response_model_exclude_defaults,
            exclude_none=state.response_model_exclude_none,
        )
    return make_response(
        state,
        content,
        background=solver.background,
        injected=solver.response,
        is_json=is_json,
    )


def websocket_app(route: Any) -> ASGIApp:
    """A WebSocket route as an ASGI callable."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive=receive, send=send)

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            async with AsyncExitStack() as request_stack:
                scope["fastapi_inner_astack"] = request_stack
                async with AsyncExitStack() as function_stack:
                    scope["fastapi_function_astack"] = function_stack
                    await _run_websocket(route, websocket, request_stack, function_stack)

        await wrap_app_handling_exceptions(inner, websocket)(scope, receive, send)

    return app


async def _run_websocket(
    route: Any,
    websocket: WebSocket,
    request_stack: AsyncExitStack,
    function_stack: AsyncExitStack,
) -> None:
    solver = Solver(
        connection=websocket,
        body=Undefined,
        embed=route._embed_body_fields,
        overrides=overrides_of(route.dependency_overrides_provider),
        request_stack=request_stack,
        function_stack=function_stack,
    )
    values, errors = await solver.solve(route.dependant)
    if errors:
        context = endpoint_context(route, "WS", websocket.scope.get("root_path"))
        raise WebSocketRequestValidationError(errors, endpoint_ctx=context)
    await route.dependant.call(**values)
