"""
Routes of requests that are traced.

They run in Python, where spans can be put around their parts and the chosen
route can be told; applications without telemetry never come here.
"""

from typing import Any

from starlette._utils import get_route_path
from starlette.datastructures import URL
from starlette.responses import RedirectResponse
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from .._include import SELECTED
from .forms import pass_on_limits

SCOPE = "fastapi.telemetry"


def instrumented(stack: Any) -> bool:
    """Whether OpenTelemetry's own middleware is in a stack: then it does the work."""
    seen: list[Any] = []
    while stack is not None and not any(stack is known for known in seen):
        seen.append(stack)
        if (type(stack).__module__, type(stack).__name__) == (
            "opentelemetry.instrumentation.asgi",
            "OpenTelemetryMiddleware",
        ):
            return True
        stack = getattr(stack, "app", None)
    return False


class FailureNotes:
    """Middleware inside the error page: notes what nobody handled before it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as exc:
            telemetry = scope.get(SCOPE)
            if telemetry is not None:
                telemetry.failed(exc, is_websocket=scope["type"] == "websocket")
            raise


def _template(route: Any, child_scope: Scope) -> tuple[str | None, bool]:
    """The path of the route that a match is about, and whether it is a mount's."""
    while SELECTED in child_scope:
        route, child_scope = child_scope[SELECTED]
    return getattr(route, "path_format", None), isinstance(route, Mount)


def _descend(scope: Scope, child_scope: Scope) -> None:
    own = scope.get("fastapi")
    inner = child_scope.get("fastapi")
    merged = {**(own if isinstance(own, dict) else {}), **(inner if isinstance(inner, dict) else {})}
    scope.update(child_scope)
    if merged:
        scope["fastapi"] = merged


async def route_traced(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """An application's routes as an ASGI callable, for a scope with telemetry."""
    router = app.router
    scope["app"] = app
    scope.setdefault("router", router)
    if router.form_limits:
        scope["fastapi"] = pass_on_limits(scope, router.form_limits)
    partial = None
    for route in router.routes:
        match, child_scope = route.matches(scope)
        if match is Match.FULL:
            partial = (route, child_scope)
            break
        if match is Match.PARTIAL and partial is None:
            partial = (route, child_scope)
    if partial is not None:
        route, child_scope = partial
        path, is_mount = _template(route, child_scope)
        scope[SCOPE].select(path, is_mount=is_mount)
        _descend(scope, child_scope)
        await route.handle(scope, receive, send)
    elif not await _redirect(router, scope, receive, send):
        await router.default(scope, receive, send)


async def _redirect(router: Any, scope: Scope, receive: Receive, send: Send) -> bool:
    path = get_route_path(scope)
    if scope["type"] != "http" or not router.redirect_slashes or path == "/":
        return False
    other = {**scope, "path": scope["path"].rstrip("/") if path.endswith("/") else scope["path"] + "/"}
    for route in router.routes:
        match, child_scope = route.matches(other)
        if match is not Match.NONE:
            scope[SCOPE].select(_template(route, child_scope)[0])
            await RedirectResponse(str(URL(scope=other)))(scope, receive, send)
            return True
    return False
