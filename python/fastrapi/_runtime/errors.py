"""Errors: what a request, a body or an answer did wrong, and the answer to it."""

import inspect
import json
from collections.abc import Sequence
from typing import Any, cast

from pydantic import ValidationError
from starlette._utils import is_async_callable
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from .._compile.fields import Errors, Loc, Undefined, prefixed
from .._compile.fields import missing_error as missing_error
from ..exceptions import EndpointContext, RequestValidationError, ResponseValidationError
from .limits import BodyTooLarge, limit_error


def validation_errors(exc: ValidationError, loc: Loc) -> Errors:
    """A validator's errors, with the place in the request before their own."""
    return prefixed(exc.errors(include_url=False), loc)


_contexts: dict[int, tuple[Any, EndpointContext]] = {}


def _source(function: Any) -> EndpointContext:
    known = _contexts.get(id(function))
    if known is not None:
        return known[1]
    context: EndpointContext = {}
    try:
        file = inspect.getsourcefile(function)
        if file is not None:
            context["file"] = file
        context["line"] = inspect.getsourcelines(function)[1]
        name = getattr(function, "__name__", None)
        if name is not None:
            context["function"] = name
    except Exception:  # whatever kind of callable it is: a message does without
        context = {}
    _contexts[id(function)] = (function, context)
    return context


def endpoint_context(route: Any, method: str | None, root_path: str | None) -> EndpointContext:
    """Where an endpoint is, for the text of an exception."""
    if route is None:
        return {}
    call = route.dependant.call
    context: EndpointContext = {**_source(call)} if call is not None else {}
    if route.dependant.path:
        mount = (root_path or "").rstrip("/")
        name = method or next(iter(sorted(route.methods)), "")
        context["path"] = f"{name} {mount}{route.dependant.path}"
    return context


def json_decode_error(exc: json.JSONDecodeError, body: Any = None) -> Errors:
    """The errors of a body that is not JSON."""
    return [
        {
            "type": "json_invalid",
            "loc": ("body", exc.pos),
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": exc.msg},
        }
    ]


def request_validation_error(
    errors: Sequence[Any],
    body: Any,
    route: Any,
    request_method: str | None = None,
    root_path: str | None = None,
) -> RequestValidationError:
    """The exception for a request that does not fit."""
    return RequestValidationError(
        errors,
        body=None if body is Undefined else body,
        endpoint_ctx=endpoint_context(route, request_method, root_path),
    )


def response_validation_error(
    exc: ValidationError | Sequence[Any],
    content: Any,
    route: Any,
    request_method: str | None = None,
    root_path: str | None = None,
) -> ResponseValidationError:
    """The exception for an endpoint's value that its response model does not allow."""
    if isinstance(exc, ValidationError):
        exc = validation_errors(exc, ("response",))
    return ResponseValidationError(
        exc,
        body=content,
        endpoint_ctx=endpoint_context(route, request_method, root_path),
    )


def not_found(app: Any, scope: Scope) -> HTTPException:
    """The exception for a path that no route has."""
    return HTTPException(status_code=404)


def method_not_allowed(app: Any, scope: Scope, methods: Sequence[str]) -> HTTPException:
    """The exception for a path whose routes do not take the method."""
    return HTTPException(status_code=405, headers={"Allow": ", ".join(methods)})


def body_parse_error(exc: BaseException) -> HTTPException:
    """The exception for a body that could not be read or decoded."""
    if isinstance(exc, Exception) and limit_error(exc) is not None:
        return BodyTooLarge()
    error = HTTPException(status_code=400, detail="There was an error parsing the body")
    error.__cause__ = exc
    return error


# Answers by class, for what an application has no handlers for.
_plain = ExceptionMiddleware(cast(Any, None))


def _ungrouped(exc: Exception) -> Exception:
    """A body's limit out of the groups that middleware with tasks makes."""
    return limit_error(exc) or exc if isinstance(exc, ExceptionGroup) else exc


def find_handler(app: Any, exc: Exception) -> Any:
    """The application's handler for an exception: by status first, then by class."""
    handlers = app.exception_handlers
    exc = _ungrouped(exc)
    if isinstance(exc, HTTPException) and exc.status_code != 500:
        found = handlers.get(exc.status_code)
        if found is not None:
            return found
    for cls in type(exc).__mro__:
        # Those for 500 and Exception answer what is not handled.
        if cls is not Exception and cls in handlers:
            return handlers[cls]
    if isinstance(exc, HTTPException):
        return _plain.http_exception
    return None


async def _call_handler(handler: Any, request: Request, exc: Exception) -> Any:
    if is_async_callable(handler):
        return await handler(request, exc)
    return await run_in_threadpool(handler, request, exc)


async def handle_exception(app: Any, request: Request, exc: Exception, started: bool = False) -> Response | None:
    """
    The application's answer to an exception; None if its handler gave none.

    Raises the exception again if there is no handler, and another one if it is
    too late for an answer.
    """
    handler = find_handler(app, exc)
    if handler is None:
        raise exc
    if started:
        raise RuntimeError("Caught handled exception, but response already started.") from exc
    return cast(Response | None, await _call_handler(handler, request, _ungrouped(exc)))


async def server_error_response(app: Any, request: Request, exc: Exception) -> Response:
    """The 500 for an exception that nothing handled."""
    if app.debug:
        page = ServerErrorMiddleware(app, debug=True)
        return await run_in_threadpool(page.debug_response, request, exc)
    handler = None
    for key, value in app.exception_handlers.items():
        if key in (500, Exception):
            handler = value
    if handler is None:
        return PlainTextResponse("Internal Server Error", status_code=500)
    return cast(Response, await _call_handler(handler, request, exc))
