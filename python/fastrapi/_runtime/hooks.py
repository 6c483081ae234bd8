"""
Steps of a request that instrumentation replaces in `fastrapi.routing`.

Sentry and Logfire put functions of theirs in their place.  When one was
replaced, or a method of Request that reads the body, routes run through ASGI,
where they are called by name.
"""

import sys
from collections.abc import Callable, Collection, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, fields
from typing import Any

from starlette.background import BackgroundTasks
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from .._compile.annotations import lenient_issubclass
from .._compile.fields import Errors, ModelField, Undefined
from .._limits import FormLimits
from .._route import given
from ..datastructures import Default, DefaultPlaceholder
from ..encoders import jsonable_encoder
from ..exceptions import EndpointContext, ResponseValidationError
from ..sse import EventSourceResponse
from ..types import IncEx
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


@dataclass(kw_only=True)
class Answering:
    """What a handler needs to know of its route."""

    dependant: Any
    body_field: ModelField | None = None
    status_code: int | None = None
    response_class: type[Response] | DefaultPlaceholder = field(default_factory=lambda: Default(JSONResponse))
    response_field: ModelField | None = None
    response_model_include: IncEx | None = None
    response_model_exclude: IncEx | None = None
    response_model_by_alias: bool = True
    response_model_exclude_unset: bool = False
    response_model_exclude_defaults: bool = False
    response_model_exclude_none: bool = False
    dependency_overrides_provider: Any | None = None
    embed_body_fields: bool = False
    strict_content_type: bool | DefaultPlaceholder = field(default_factory=lambda: Default(True))
    stream_item_field: ModelField | None = None
    is_json_stream: bool = False
    form_limits: FormLimits | None = None
    methods: Collection[str] = ()

    @property
    def path(self) -> str | None:
        path: str | None = self.dependant.path
        return path

    @property
    def is_sse_stream(self) -> bool:
        return lenient_issubclass(given(self.response_class), EventSourceResponse)


def handler_options(route: Any) -> dict[str, Any]:
    """What get_request_handler() is given for a route."""
    names = [one.name for one in fields(Answering) if one.name not in ("embed_body_fields", "methods")]
    options = {name: getattr(route, name) for name in names}
    return options | {"response_class": route.answer_class, "embed_body_fields": route._embed_body_fields}


def get_request_handler(
    dependant: Any,
    body_field: ModelField | None = None,
    status_code: int | None = None,
    response_class: type[Response] | DefaultPlaceholder = Default(JSONResponse),
    response_field: ModelField | None = None,
    response_model_include: IncEx | None = None,
    response_model_exclude: IncEx | None = None,
    response_model_by_alias: bool = True,
    response_model_exclude_unset: bool = False,
    response_model_exclude_defaults: bool = False,
    response_model_exclude_none: bool = False,
    dependency_overrides_provider: Any | None = None,
    embed_body_fields: bool = False,
    strict_content_type: bool | DefaultPlaceholder = Default(True),
    stream_item_field: ModelField | None = None,
    is_json_stream: bool = False,
    form_limits: FormLimits | None = None,
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """The function from request to response of a route."""
    given_options = dict(locals())
    from .asgi import respond

    async def handler(request: Request) -> Response:
        return await respond(Answering(**given_options, methods=(request.method,)), request)

    return handler


def get_websocket_app(
    dependant: Any,
    dependency_overrides_provider: Any | None = None,
    embed_body_fields: bool = False,
) -> Callable[[WebSocket], Coroutine[Any, Any, Any]]:
    """The function that runs a route's WebSockets."""
    from .asgi import run_websocket

    route = Answering(
        dependant=dependant,
        dependency_overrides_provider=dependency_overrides_provider,
        embed_body_fields=embed_body_fields,
        methods=("WS",),
    )

    async def app(websocket: WebSocket) -> None:
        await run_websocket(route, websocket)

    return app


async def serialize_response(
    *,
    field: ModelField | None = None,
    response_content: Any,
    include: IncEx | None = None,
    exclude: IncEx | None = None,
    by_alias: bool = True,
    exclude_unset: bool = False,
    exclude_defaults: bool = False,
    exclude_none: bool = False,
    is_coroutine: bool = True,
    endpoint_ctx: EndpointContext | None = None,
    dump_json: bool = False,
) -> Any:
    """What an endpoint returned, by its response model: plain data, or with `dump_json` JSON."""
    if field is None:
        return jsonable_encoder(response_content)
    if is_coroutine:
        value, errors = field.validate(response_content, loc=("response",))
    else:
        value, errors = await run_in_threadpool(field.validate, response_content, loc=("response",))
    if errors:
        raise ResponseValidationError(errors, body=response_content, endpoint_ctx=endpoint_ctx or {})
    return (field.serialize_json if dump_json else field.serialize)(
        value,
        include=include,
        exclude=exclude,
        by_alias=by_alias,
        exclude_unset=exclude_unset,
        exclude_defaults=exclude_defaults,
        exclude_none=exclude_none,
    )


def is_replaced() -> bool:
    """Whether somebody has put other functions in the place of these."""
    from .. import routing

    if any(getattr(Request, name) is not method for name, method in _READING.items()):
        return True
    return any(
        getattr(routing, function.__name__, function) is not function
        for function in (solve_dependencies, run_endpoint_function, get_request_handler)
    )
