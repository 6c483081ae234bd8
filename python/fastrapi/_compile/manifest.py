"""The manifest: an application as plain data, and the objects that its ids stand for."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from starlette.routing import BaseRoute, Host, WebSocketRoute

from .. import _fastrapid
from .._include import IncludedRouter, effective_routes
from .._limits import FormLimits
from .._outline import is_unchanged, outline
from .._route import given
from .._runtime.forms import LimitedForms
from .._runtime.hooks import is_replaced
from ..routing import APIRoute
from .diagnostics import locate, note_route, route_name
from .order import ROUTE_METHODS, around, own_method, why_asgi
from .patterns import literal_start, pattern_of
from .plan import Objects, Places, Planner, call_name

VERSION = 1


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _is_plan(original: BaseRoute, route: Any) -> bool:
    """Whether a route runs from a plan: an APIRoute with nothing of its own around it."""
    if not isinstance(original, APIRoute):
        return False
    return own_method(type(original), APIRoute, ROUTE_METHODS) is None and not original._has_own_app


class _Compiler:
    def __init__(self, overrides: dict[Any, Any]) -> None:
        self.overrides = overrides
        self.objects = Objects()
        self.places = Places()

    def routes(self, app: Any) -> list[dict[str, Any]]:
        result = []
        tabled = []
        replaced = is_replaced()
        for original, route in _standing(app.router.routes):
            if isinstance(original, WebSocketRoute):
                result.append(self._websocket(route))
            elif not replaced and _is_plan(original, route):
                result.append(self._plan(route))
                if result[-1]["pattern"] is not None:
                    tabled.append((result[-1], route))
            else:
                limit = getattr(route, "max_body_size", app.router.max_body_size)
                own = {"why": why_asgi(original, replaced), "max_body": limit}
                result.append(self._asgi(original, route, app.router.form_limits) | own)
        for index in _fastrapid.misfits([entry["pattern"] for entry, _ in tabled]):
            self._put_aside(*tabled[index])
        return result

    def _entry(self, kind: str, route: Any, label: str) -> dict[str, Any]:
        endpoint = getattr(route, "endpoint", None)
        file, line = locate(endpoint) if endpoint is not None else (None, 0)
        methods = getattr(route, "methods", None)
        path = getattr(route, "path", "")
        return {
            "kind": kind,
            "why": None,
            "path": path,
            "pattern": None,
            "side": None,
            "methods": sorted(methods) if methods else None,
            "name": str(getattr(route, "name", None) or ""),
            "endpoint": call_name(endpoint) if endpoint is not None else "",
            "file": file or "",
            "line": line,
            "object": self.objects.add(f"route {label}", route),
            "params": list(getattr(route, "param_convertors", {})),
            "status": 0,
            "body": "none",
            "strict_content_type": False,
            "max_body": None,
            "slots": 0,
            "marks": 0,
            "caches": 0,
            "steps": [],
        }

    def _asgi(self, original: BaseRoute, route: Any, limits: FormLimits) -> dict[str, Any]:
        entry = self._entry("asgi", route, f"{type(original).__name__} {_where(route)}")
        prefix = "" if isinstance(route, Host) else literal_start(getattr(route, "path", ""))
        if limits and not isinstance(original, APIRoute):
            self.objects.values[entry["object"]] = LimitedForms(route, limits)
        entry["side"] = {"kind": "route", "object": entry["object"], "prefix": prefix}
        return entry

    def _websocket(self, route: Any) -> dict[str, Any]:
        entry = self._entry("websocket", route, f"WebSocket {route.path}")
        entry["methods"] = ["WEBSOCKET"]
        entry["side"] = {"kind": "route", "object": entry["object"], "prefix": literal_start(route.path)}
        return entry

    def _put_aside(self, entry: dict[str, Any], route: Any) -> None:
        """Onto the side list, to be matched by its expression."""
        expression = self.objects.add(f"expression {_where(route)}", route.path_regex)
        entry["pattern"] = None
        entry["side"] = {"kind": "regex", "object": expression, "prefix": literal_start(route.path)}

    def _plan(self, route: Any) -> dict[str, Any]:
        label = _where(route)
        entry = self._entry("plan", route, label)
        entry["pattern"] = pattern_of(route.path)
        if entry["pattern"] is None:
            self._put_aside(entry, route)
        planner = Planner(route, label, self.objects, self.places, self.overrides)
        try:
            entry["steps"] = planner.plan()
        except Exception as exc:
            note_route(exc, route_name(route), route.endpoint)
            raise
        entry |= {
            "status": route.status_code or 0,
            "body": planner.body,
            "strict_content_type": bool(given(route.strict_content_type)),
            "max_body": route.max_body_size,
            "slots": planner.slots,
            "marks": planner.marks,
            "caches": len(planner.caches),
        }
        return entry


def _standing(routes: Iterable[BaseRoute]) -> Iterator[tuple[BaseRoute, Any]]:
    """Each route with what it is where it stands; a router that has its own way is one route."""
    for route in routes:
        if isinstance(route, IncludedRouter) and route.has_own_way:
            yield route, route
        else:
            yield from effective_routes([route])


def _outlines(app: Any) -> list[object]:
    return [part for _, route in _standing(app.router.routes) if isinstance(route, APIRoute) for part in outline(route)]


def look_again(app: Any) -> None:
    """Forget what is known of included routes if they were changed in place since."""
    for route in app.router.routes:
        if isinstance(route, IncludedRouter):
            route.look_again()


def is_changed(app: Any) -> bool:
    """Whether routes were changed in place since they were compiled."""
    return not is_unchanged(app._outlines, _outlines(app))


def _where(route: Any) -> str:
    methods = getattr(route, "methods", None)
    path = getattr(route, "path", None) or getattr(route, "host", None) or "/"
    return f"{','.join(sorted(methods))} {path}" if methods else str(path)


def compile_app(app: Any, name: str, overrides: dict[Any, Any]) -> tuple[dict[str, Any], list[Any]]:
    compiler = _Compiler(overrides)
    routes = compiler.routes(app)
    app._outlines = _outlines(app)
    traced = app._is_traced()  # it also notes what it finds
    manifest = {
        "version": VERSION,
        "app": {
            "name": name,
            "redirect_slashes": bool(app.router.redirect_slashes),
            "wrapped": traced or bool(app.user_middleware),
            "debug": bool(app.debug),
            "root_path": app.root_path,
            **around(app, traced),
        },
        "places": len(compiler.places),
        "objects": compiler.objects.names,
        "routes": routes,
    }
    return manifest, compiler.objects.values
