"""What runs around a route, and why a route has no plan: words for `fastrapid --explain`."""

from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import BaseRoute, Host, Mount, Route

from .._include import IncludedRouter
from ..exceptions import WebSocketRequestValidationError
from ..routing import APIRoute, APIRouter
from .plan import call_name

# What a route's class may do in its own way; then there is no plan.
ROUTE_METHODS = ("get_route_handler", "handle", "matches", "_asgi_app")


def own_method(cls: type, base: type, names: tuple[str, ...]) -> str | None:
    """The first of the methods that a class doesn't have from its base."""
    return next((name for name in names if getattr(cls, name) is not getattr(base, name)), None)


def has_own_way(router: APIRouter) -> bool:
    """Whether the class of an application's router chooses the route itself."""
    return own_method(type(router), APIRouter, ("__call__", "app")) is not None


def _middleware_name(middleware: Middleware) -> str:
    cls: Any = middleware.cls
    dispatch = middleware.kwargs.get("dispatch")
    if isinstance(cls, type) and issubclass(cls, BaseHTTPMiddleware) and dispatch is not None:
        return f"{call_name(dispatch)}, a function by {call_name(cls)}"
    return call_name(cls)


def around(app: Any, traced: bool) -> dict[str, Any]:
    """The layers around all routes of an application, from the outside in."""
    handlers = {}
    last = None
    for key, handler in app.exception_handlers.items():
        if key in (500, Exception):
            last = call_name(handler)
        elif key is not WebSocketRequestValidationError:
            name = str(int(key)) if isinstance(key, int) else call_name(key)
            handlers[name] = f"{name}: {call_name(handler)}"
    telemetry = ["telemetry, or other instrumentation of the framework"] if traced else []
    return {
        "middleware": [*telemetry, *map(_middleware_name, app.user_middleware)],
        "handlers": list(handlers.values()),
        "last_handler": last,
    }


def _overriding_router(included: IncludedRouter) -> str:
    router = included.original_router
    name = own_method(type(router), APIRouter, ("matches", "handle"))
    if name:
        return f"the included router's class {call_name(type(router))} has a {name}() of its own"
    inner = [route for route in router.routes if isinstance(route, IncludedRouter) and route.has_own_way]
    return _overriding_router(inner[0])


def why_asgi(original: BaseRoute, replaced: bool) -> str:
    """Why a route that has no plan has none."""
    cls = call_name(type(original))
    if isinstance(original, IncludedRouter):
        return _overriding_router(original)
    if isinstance(original, APIRoute):
        name = own_method(type(original), APIRoute, ROUTE_METHODS)
        if name:
            return f"the route's class {cls} has a {name}() of its own"
        if original._has_own_app:
            return f"{call_name(original.app)} was assigned to the route's app"
        if replaced:
            return "a function of fastrapi.routing, or a method of Request that reads the body, was replaced"
    if isinstance(original, Mount):
        return f"{call_name(original.app)} is mounted at {original.path or '/'}"
    if isinstance(original, Host):
        return f"{call_name(original.app)} answers for the host {original.host}"
    if isinstance(original, Route):
        return "a plain Starlette route: the endpoint takes the request itself"
    return f"a route of the class {cls}"
