"""
What is looked at when a route is declared, and once more when the application is complete.

An error here is what FastAPI accepts and can never answer; what it serves is at
most a warning.  docs/errors.md has the table.
"""

import contextlib
import inspect
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, WebSocketRoute, compile_path

from .. import params
from .._include import IncludedRouter, effective_routes
from .._route import given
from ..datastructures import DefaultPlaceholder
from ..security.base import SecurityBase
from .aliases import param_aliases
from .annotations import lenient_issubclass
from .dependant import Dependant, is_any_generator, is_async_generator, is_coroutine, without_partial
from .diagnostics import Finding, is_quiet, note_route, place_of, report, report_all, route_name
from .fields import ModelField
from .serializing import unserializable
from .shadows import Standing, Tables, effective, standing

if TYPE_CHECKING:
    from ..routing import APIRouter

_PLACES = ("path", "query", "header", "cookie", "body")
_WITHOUT_BODY = {"GET", "HEAD", "TRACE"}


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for sub in dependant.dependencies:
        yield from _flat(sub)


def _fields(dependant: Dependant, place: str) -> list[ModelField]:
    fields: list[ModelField] = getattr(dependant, f"{place}_params")
    return fields


def _path_names_of(field: ModelField) -> list[str]:
    """The names that a path may have for a parameter; none if that can't be told."""
    declared = field.field_info.validation_alias
    choices = declared.choices if isinstance(declared, AliasChoices) else [declared or field.alias]
    return [name for name in choices if isinstance(name, str)]


class RouteChecks:
    """The checks of one route, as it is declared or as it stands in an application."""

    def __init__(self, route: Any, *, is_root: bool, is_complete: bool = False, name: str = "") -> None:
        self.route = route
        self.is_root = is_root  # it is not to be included somewhere else
        self.is_complete = is_complete  # nor to be mounted
        self.is_http = not isinstance(route, WebSocketRoute)
        self.name = name or (route_name(route) if self.is_http else f"WebSocket {route.path}")
        self.parts = list(_flat(route.dependant))

    def _finding(self, kind: str, text: str, mend: str, **more: Any) -> Finding:
        return Finding(kind, text, mend, self.name, self.route.endpoint, **more)

    def all(self) -> Iterator[Finding]:
        yield from self._generators()
        yield from self._path_names()
        yield from self._same_names()
        if self.is_http:
            yield from self._methods()
            yield from self._body()
            yield from self._status()
            yield from self._response_model()
        else:
            yield from self._websocket()

    # ---- parameters ----

    def _may_read_path(self) -> bool:
        """Whether somebody has the request, or the route a way of its own."""
        from ..routing import APIRoute

        own = type(getattr(self.route, "original_route", self.route))
        if issubclass(own, APIRoute) and own.get_route_handler is not APIRoute.get_route_handler:
            return True
        return any(
            part.request_param_name or part.http_connection_param_name or part.websocket_param_name
            for part in self.parts
            if not isinstance(part.call, SecurityBase)
        )

    def _path_names(self) -> Iterator[Finding]:
        in_path = set(self.route.param_convertors)
        if self.is_root:
            yield from self.not_in_path(in_path)
        taken = {name for part in self.parts for field in part.path_params for name in _path_names_of(field)}
        for name in sorted(in_path - taken):
            if not self._may_read_path():
                yield self._finding(
                    "path-parameter-not-taken",
                    f"The path has {{{name}}}, and neither the function nor a dependency takes it",
                    f"add a parameter `{name}: str`, or take {{{name}}} out of the path",
                    parameter=name,
                )

    def not_in_path(self, in_path: set[str]) -> Iterator[Finding]:
        """Parameters that no request can have, in a path with these names."""
        for part in self.parts:
            for field in part.path_params:
                names = _path_names_of(field)
                if not names or in_path.intersection(names):
                    continue
                yield self._finding(
                    "path-parameter-not-in-path",
                    f"The path has no {{{names[0]}}}, which is declared with Path(): every request is answered with 422",
                    f"write {{{names[0]}}} into the path, or declare the parameter with Query()",
                    parameter=field.name,
                    call=part.call,
                    is_error=self.is_complete,
                    is_provisional=True,
                )

    def _same_names(self) -> Iterator[Finding]:
        for part in self.parts:
            for place in _PLACES:
                seen: dict[str, str] = {}
                for field in _fields(part, place):
                    name = param_aliases(field)[0][1]
                    name = name.lower() if place == "header" else name
                    first = seen.setdefault(name, field.name)
                    if first != field.name:
                        yield self._finding(
                            "same-name-twice",
                            f"{first!r} and {field.name!r} are both the {place} parameter {name!r}:"
                            " the OpenAPI document has only one of them",
                            "give one of them another alias",
                            parameter=field.name,
                            call=part.call,
                        )

    def _body(self) -> Iterator[Finding]:
        if not self.route.methods or not self.route.methods <= _WITHOUT_BODY:
            return
        yield from self._taken_from_body(
            "body-on-get",
            f"which requests by {' and '.join(sorted(self.route.methods))} hardly ever have",
            "declare it with Query(), or the route with post(), put() or patch()",
        )

    def _taken_from_body(self, kind: str, but: str, mend: str) -> Iterator[Finding]:
        for part in self.parts:
            for field in part.body_params:
                text = f"{field.name!r} is taken from the body, {but}"
                yield self._finding(kind, text, mend, parameter=field.name, call=part.call)

    # ---- generators ----

    def _generators(self) -> Iterator[Finding]:
        yield from self._context_managers(self.route.dependant, None)
        if self.is_http and is_any_generator(self.route.dependant.call):
            yield from self._stream()

    def _context_managers(self, part: Dependant, above: Any) -> Iterator[Finding]:
        function = without_partial(part.call)
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        decorator = _CONTEXT_MANAGERS.get(code)
        if decorator is not None:
            yield self._finding(
                "context-manager",
                f"@{decorator} is around a function that yields and is called here as it is: {place_of(function)}",
                f"remove @{decorator}",
                parameter=part.name,
                call=above,
                is_error=True,
            )
        for sub in part.dependencies:
            yield from self._context_managers(sub, part.call)

    def _stream(self) -> Iterator[Finding]:
        route = self.route
        response_class = given(route.response_class)
        if not isinstance(route.response_class, DefaultPlaceholder) and _renders_plainly(response_class):
            yield self._finding(
                "generator-without-stream",
                f"The function yields, and {response_class.__name__} can't send what a generator yields",
                "use StreamingResponse or EventSourceResponse as response_class, or none; or return one value",
                is_error=True,
            )
            return
        if route.response_field is not None and route.response_model not in (Any, object):
            kind = "AsyncIterator" if is_async_generator(route.dependant.call) else "Iterator"
            shown = getattr(route.response_model, "__name__", None) or str(route.response_model)
            yield self._finding(
                "generator-response-model",
                f"The function yields, and its response model {shown} is not for what is yielded:"
                " nothing is validated with it",
                f"declare what is yielded by the return type, `-> {kind}[...]`, or return instead of yielding",
                parameter="response_model",
            )

    # ---- answers ----

    def _methods(self) -> Iterator[Finding]:
        if len(self.route.methods) > 1 and self.route.include_in_schema:
            yield self._finding(
                "operation-id",
                f"The operation id {self.route.unique_id!r} is that of several methods:"
                " an OpenAPI document with it is not valid",
                "declare one route for each method, or set include_in_schema=False",
            )

    def _status(self) -> Iterator[Finding]:
        code = self.route.status_code
        mend = "use a status code such as those in fastrapi.status"
        if code is not None and (not isinstance(code, int) or isinstance(code, bool) or not 100 <= code <= 999):
            yield self._finding("status-code", f"{code!r} is no status code", mend, is_error=True)
        elif code is not None and code < 200:
            text = f"The status code {code} announces another answer, and can't be the answer itself"
            yield self._finding("status-code", text, mend)
        elif code is not None and code not in _KNOWN_CODES:
            yield self._finding("status-code", f"The status code {code} is not a registered one", mend)
        for key in self.route.responses:
            if not _is_response_key(key):
                yield self._finding(
                    "responses-key",
                    f"{key!r} in `responses` is no status code: the OpenAPI document can't be made",
                    "write the keys of `responses` as status codes, '4XX' or 'default'",
                )

    def _response_model(self) -> Iterator[Finding]:
        route = self.route
        field = route.response_field
        if field is None or route.response_model_include or route.response_model_exclude:
            return
        for where, what in unserializable(field._type_adapter):
            yield self._finding(
                "response-model",
                f"The response model can't be sent as JSON: {where or 'it'} is {what}",
                "give it a serializer (Pydantic's field_serializer or PlainSerializer), leave it out with"
                " Field(exclude=True), or set response_model=None",
                parameter="response_model",
            )

    def _websocket(self) -> Iterator[Finding]:
        call = self.route.dependant.call
        if is_any_generator(call):
            yield self._finding(
                "websocket-generator",
                "A WebSocket endpoint is awaited, and this function yields",
                "send with websocket.send_text() or send_json() instead of yielding",
                is_error=True,
            )
        elif inspect.isroutine(call) and not is_coroutine(call):
            yield self._finding(
                "websocket-def",
                "A WebSocket endpoint is awaited, and this function is no `async def`",
                "write `async def`",
            )
        yield from self._taken_from_body(
            "websocket-body",
            "which a WebSocket's request doesn't have",
            "declare it with Query(), or receive it with websocket.receive_json()",
        )


def _code_of(decorator: Any) -> Any:
    """The code that is in the place of every function with this decorator."""
    return decorator(lambda: None).__code__


_CONTEXT_MANAGERS: dict[Any, str] = {
    _code_of(contextlib.contextmanager): "contextmanager",
    _code_of(contextlib.asynccontextmanager): "asynccontextmanager",
}
_KNOWN_CODES = {int(status) for status in HTTPStatus}


def _renders_plainly(response_class: Any) -> bool:
    """Whether a response class does nothing with its content but to encode it."""
    plain = (Response, JSONResponse)
    return lenient_issubclass(response_class, Response) and any(
        response_class.render is cls.render and response_class.__init__ is cls.__init__ for cls in plain
    )


def _is_response_key(key: Any) -> bool:
    text = str(key).upper()
    return text == "DEFAULT" or (len(text) == 3 and text[0] in "12345" and text[1:] == "XX") or text.isdecimal()


# ---- a default for a path parameter: only the whole application tells whether it is ever used ----


def _defaults(routes: list[Any]) -> Iterator[Finding]:
    elsewhere = {
        (id(part.call), field.name)
        for route in routes
        for part in _flat(route.dependant)
        for place in _PLACES[1:]
        for field in _fields(part, place)
    }
    for route in routes:
        checks = RouteChecks(route, is_root=True)
        for part in checks.parts:
            for field in part.path_params:
                if (id(part.call), field.name) in elsewhere:
                    continue
                parameter = inspect.signature(part.call).parameters.get(field.name)  # type: ignore[arg-type]
                default = inspect.Parameter.empty if parameter is None else parameter.default
                if default is inspect.Parameter.empty or isinstance(default, params.Path):
                    continue
                yield checks._finding(
                    "path-parameter-default",
                    f"The default of {field.name!r} is never used: a path always has {{{field.name}}}",
                    "remove the default, or declare a path without the parameter too",
                    parameter=field.name,
                    call=part.call,
                )


# ---- routes beside others ----


def _beside(entry: Standing, tables: Tables) -> Iterator[Finding]:
    hiding, same_id = tables.add(entry)
    if entry.endpoint is None:
        return
    if hiding and entry.group is not None and all(first.group is entry.group for first in hiding):
        return  # told when it was declared
    if hiding:
        yield Finding(
            "shadowed",
            f"{entry.name} is never reached: {' and '.join(dict.fromkeys(first.name for first in hiding))},"
            " declared earlier, answers all its requests",
            "declare it before the other, or change or remove one of the two",
            entry.name,
            entry.endpoint,
            other=hiding[0].name,
            other_endpoint=hiding[0].endpoint,
        )
    elif same_id is not None and (entry.group is None or same_id.group is not entry.group):
        yield Finding(
            "operation-id",
            f"The operation id {entry.operation_id!r} was given before:"
            " an OpenAPI document with it is not valid, and generated clients lack one of the two",
            "give each route an operation_id of its own, or none",
            entry.name,
            entry.endpoint,
            other=same_id.name,
            other_endpoint=same_id.endpoint,
        )


def is_root(router: "APIRouter") -> bool:
    """Whether a router is an application's own."""
    return getattr(router.dependency_overrides_provider, "router", None) is router


def _tables(router: "APIRouter") -> Tables:
    """What is in a router already; made anew after changes that were not seen here."""
    if router._tables is None or router._tables.version != router._routes_version:
        router._tables = Tables(standing(router.routes))
        router._tables.version = router._routes_version
    tables: Tables = router._tables
    return tables


def _add(router: "APIRouter", route: BaseRoute, entries: Iterable[Standing]) -> None:
    if is_quiet():
        router.routes.append(route)
        return
    tables = _tables(router)
    for entry in entries:
        report(_beside(entry, tables))
    router.routes.append(route)
    tables.version = router._routes_version


def declare(router: "APIRouter", route: Any) -> None:
    """Look at a route and add it to a router."""
    if hasattr(route, "dependant"):
        report(RouteChecks(route, is_root=is_root(router)).all())
    _add(router, route, standing([route]))


def include(router: "APIRouter", made: IncludedRouter) -> None:
    """Look at a router and add it to another."""
    entries = list(standing([made], group=made))
    for entry in entries:
        try:
            _, _, convertors = compile_path(entry.path)
        except ValueError as exc:
            note_route(exc, entry.name, entry.endpoint)
            raise
        if is_root(router) and hasattr(entry.route, "dependant"):
            report(RouteChecks(entry.route, is_root=True, name=entry.name).not_in_path(set(convertors)))
    _add(router, made, entries)


def complete(app: Any) -> None:
    """Say all that is to be said of an application that is complete."""
    report_all(_complete(app))


def _complete(app: Any) -> Iterator[Finding]:
    routes = [route for _, route in effective_routes(app.router.routes) if hasattr(route, "dependant")]
    for route in routes:
        yield from RouteChecks(route, is_root=True, is_complete=True).all()
    yield from _defaults(routes)
    tables = Tables()
    for entry in effective(app.router.routes):
        yield from _beside(entry, tables)
