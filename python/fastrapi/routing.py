"""Routes and routers."""

import os
from collections.abc import (
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Sequence,
)
from copy import deepcopy
from enum import Enum
from typing import Any, Literal, Protocol, Unpack

from starlette import routing
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, compile_path, get_name
from starlette.routing import Mount as Mount
from starlette.routing import NoMatchFound as NoMatchFound
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from typing_extensions import deprecated

from . import params
from ._compile.checks import declare, include
from ._compile.diagnostics import note_route
from ._contexts import RouteContext as RouteContext
from ._contexts import iter_route_contexts as iter_route_contexts
from ._encoding import JSONEncoder, check_json_encoder
from ._frontend import Frontend, FrontendFiles, Frontends, check_path, wants_check
from ._include import CONTEXT, INCLUDED, SCOPE, IncludeContext, IncludedRouter, effective_routes, own_scope
from ._include import IncludedRouter as _IncludedRouter  # noqa: F401 - what plugins ask for
from ._lifespan import as_lifespan, call_handler, merged_lifespan
from ._limits import (
    FormLimits,
    SyncHandlers,
    check_max_body_size,
    check_sync_handlers,
    checked_form_limits,
    first_given,
)
from ._list import RouteList
from ._operation import (
    ADD_ROUTE_NAMES,
    API_ROUTE_NAMES,
    INCLUDE,
    OPERATION,
    ROUTE_NAMES,
    VERB_NAMES,
    IncludeOptions,
    OperationOptions,
    Verbs,
    add_verbs,
)
from ._outline import is_unchanged, outline
from ._route import RouteState, build_dependant, match_route, refuse_method
from ._runtime.asgi import request_response as request_response
from ._runtime.asgi import websocket_session as websocket_session
from ._runtime.hooks import SolvedDependency as SolvedDependency
from ._runtime.hooks import get_request_handler as get_request_handler
from ._runtime.hooks import get_websocket_app as get_websocket_app
from ._runtime.hooks import run_endpoint_function as run_endpoint_function
from ._runtime.hooks import serialize_response as serialize_response
from ._runtime.hooks import solve_dependencies as solve_dependencies
from ._signature import spelled
from .datastructures import Default
from .exceptions import FastAPIError
from .sse import _PING_INTERVAL as _PING_INTERVAL  # read here while a stream is silent
from .types import DecoratedCallable
from .utils import generate_unique_id, get_value_or_default


class APIRoute(RouteState, routing.Route):  # type: ignore[misc]
    """
    One endpoint at one path.

    A subclass may override `get_route_handler` to do something around the
    endpoint; such a route is run through ASGI.
    """

    @spelled(OPERATION, ROUTE_NAMES, fill=True)
    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Unpack[OperationOptions]) -> None:
        self._settle(path, endpoint, dict(options))
        self._app: ASGIApp | None = None
        self._has_own_app = False

    @property
    def app(self) -> ASGIApp:
        """The route as an ASGI callable, for when it does not run from a plan."""
        if self._app is None:
            self._app = self._asgi_app(self)
        return self._app

    @app.setter
    def app(self, app: ASGIApp) -> None:
        from ._runtime.asgi import is_plain

        if is_plain(app, self):
            # A plugin changed the route's dependencies and made the callable anew.
            self._app = None
            return
        self._app = app
        self._has_own_app = True

    def _asgi_app(self, state: RouteState) -> ASGIApp:
        from ._runtime.asgi import route_app

        return route_app(self, state)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function that turns a request into a response; for subclasses to wrap."""
        from ._runtime.asgi import route_handler

        return route_handler(self)

    def _state_in(self, scope: Scope) -> "APIRoute":
        """What the route is where the request comes to it: itself, or its included form."""
        context = own_scope(scope).get(CONTEXT)
        if isinstance(context, EffectiveRoute) and context._original is self:
            return context
        return self

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the route answers a request."""
        return match_route(self._state_in(scope), scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that matches."""
        state = self._state_in(scope)
        if not await refuse_method(state, scope, receive, send):
            await state.app(scope, receive, send)


# Options that including a router leaves alone.
_COPIED = (
    "response_model",
    "status_code",
    "summary",
    "description",
    "response_description",
    "methods",
    "name",
    "operation_id",
    "response_model_include",
    "response_model_exclude",
    "response_model_by_alias",
    "response_model_exclude_unset",
    "response_model_exclude_defaults",
    "response_model_exclude_none",
    "openapi_extra",
    "sync_handlers",
)


class EffectiveRoute(APIRoute):
    """An APIRoute as it is where its router is included."""

    def __init__(self, original: APIRoute, context: IncludeContext) -> None:
        self._original = original
        self._context = context
        self._read = outline(original)
        router = context.included_router
        options = {name: getattr(original, name) for name in _COPIED}
        options |= {
            "tags": [*context.tags, *original.tags],
            "dependencies": [*context.dependencies, *original.dependencies],
            "responses": {**context.responses, **original.responses},
            "deprecated": original.deprecated or context.deprecated,
            "include_in_schema": original.include_in_schema and context.include_in_schema,
            "response_class": get_value_or_default(
                original.response_class,
                router.default_response_class,
                context.default_response_class,
            ),
            "dependency_overrides_provider": context.dependency_overrides_provider,
            "callbacks": [*context.callbacks, *(original.callbacks or [])],
            "generate_unique_id_function": get_value_or_default(
                original.generate_unique_id_function,
                router.generate_unique_id_function,
                context.generate_unique_id_function,
            ),
            "strict_content_type": get_value_or_default(
                original.strict_content_type,
                router.strict_content_type,
                context.strict_content_type,
            ),
            "max_body_size": first_given(original.max_body_size, context.max_body_size),
            "form_limits": {**context.form_limits, **original.form_limits},
            "json_encoder": first_given(original.json_encoder, context.json_encoder),
        }
        path = context.prefix + original.path
        self._settle(path, original.endpoint, options, original.stream_item_type)
        self._app = None
        self._has_own_app = False

    @property
    def original_route(self) -> APIRoute:
        """The route that was declared."""
        return self._original

    def again(self) -> "EffectiveRoute":
        """The same, or one made anew if the declared route was changed in place."""
        if is_unchanged(self._read, outline(self._original)):
            return self
        return EffectiveRoute(self._original, self._context)

    def _asgi_app(self, state: RouteState) -> ASGIApp:
        return self._original._asgi_app(state)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the declared route, which may have its own way, answers here."""
        inside = {**scope, SCOPE: {**own_scope(scope), CONTEXT: self}}
        match, child_scope = self._original.matches(inside)
        if match is Match.NONE:
            return match, child_scope
        own = {**own_scope(inside), **own_scope(child_scope)}
        return match, {**child_scope, SCOPE: own}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the declared route answer."""
        scope[SCOPE] = {**own_scope(scope), CONTEXT: self}
        await self._original.handle(scope, receive, send)


class APIWebSocketRoute(routing.WebSocketRoute):
    """A WebSocket endpoint with dependencies."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        name: str | None = None,
        dependencies: Sequence[params.Depends] | None = None,
        dependency_overrides_provider: Any | None = None,
    ) -> None:
        from ._runtime.asgi import websocket_app

        self.path = path
        self.endpoint = endpoint
        self.name = get_name(endpoint) if name is None else name
        self.dependencies = list(dependencies or [])
        self.dependency_overrides_provider = dependency_overrides_provider
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        try:
            self.dependant, _, self._embed_body_fields = build_dependant(
                path=self.path_format, call=endpoint, dependencies=self.dependencies
            )
        except Exception as exc:
            note_route(exc, f"WebSocket {path}", endpoint)
            raise
        self.app = websocket_app(self)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the route answers a handshake."""
        match, child_scope = super().matches(scope)
        if match is not Match.NONE:
            child_scope["route"] = self
        return match, child_scope


class _Watcher(Protocol):
    """Who is told that routes have changed: the routers around, and the application."""

    def _mark_routes_changed(self) -> None: ...


class APIRouter(routing.Router, Verbs):
    """
    A group of endpoints, to be included in an application or in another router.

    ```python
    router = APIRouter(prefix="/users", tags=["users"])


    @router.get("/")
    def users() -> list[str]:
        return ["Ada", "Grace"]


    app.include_router(router)
    ```

    `prefix`, `tags`, `dependencies`, `responses` and the other options apply to
    all of its endpoints.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: list[str | Enum] | None = None,
        dependencies: Sequence[params.Depends] | None = None,
        default_response_class: type[Response] = Default(JSONResponse),
        responses: dict[int | str, dict[str, Any]] | None = None,
        callbacks: list[BaseRoute] | None = None,
        routes: list[BaseRoute] | None = None,
        redirect_slashes: bool = True,
        default: ASGIApp | None = None,
        dependency_overrides_provider: Any | None = None,
        route_class: type[APIRoute] = APIRoute,
        on_startup: Sequence[Callable[[], Any]] | None = None,
        on_shutdown: Sequence[Callable[[], Any]] | None = None,
        lifespan: Lifespan[Any] | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        generate_unique_id_function: Callable[[APIRoute], str] = Default(generate_unique_id),
        strict_content_type: bool = Default(True),
        max_body_size: int | None = None,
        form_limits: FormLimits | None = None,
        sync_handlers: SyncHandlers | None = None,
        json_encoder: JSONEncoder | None = None,
    ) -> None:
        check_max_body_size(max_body_size)
        check_sync_handlers(sync_handlers)
        check_json_encoder(json_encoder)
        self._routes_version = 0
        self._tables: Any = None  # of the checks at declaration
        self._parents: list[_Watcher] = []
        self.on_startup: list[Callable[[], Any]] = list(on_startup or [])
        self.on_shutdown: list[Callable[[], Any]] = list(on_shutdown or [])
        self.lifespan_context = as_lifespan(self, lifespan)
        super().__init__(
            routes=routes,
            redirect_slashes=redirect_slashes,
            default=default,
            lifespan=self.lifespan_context,
            max_body_size=max_body_size,
        )
        _check_prefix(prefix)
        self.prefix = prefix
        self.tags: list[str | Enum] = tags or []
        self.dependencies = list(dependencies or [])
        self.deprecated = deprecated
        self.include_in_schema = include_in_schema
        self.responses = responses or {}
        self.callbacks = callbacks or []
        self.dependency_overrides_provider = dependency_overrides_provider
        self.route_class = route_class
        self.default_response_class = default_response_class
        self.generate_unique_id_function = generate_unique_id_function
        self.form_limits = checked_form_limits(form_limits)
        self.strict_content_type = strict_content_type
        self.max_body_size = max_body_size
        self.sync_handlers = sync_handlers
        self.json_encoder = json_encoder

        self._frontends: list[Frontend] = []
        self._fallback_made: tuple[int, Frontends] | None = None

    # ---- the list of routes ----

    @property
    def routes(self) -> list[BaseRoute]:
        """What was declared and included here, in order."""
        return self._routes

    @routes.setter
    def routes(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = RouteList(routes, self._mark_routes_changed)
        for route in self._routes:
            if isinstance(route, IncludedRouter):
                route.original_router._parents.append(self)
        self._mark_routes_changed()

    def _mark_routes_changed(self) -> None:
        self._routes_version += 1
        for parent in self._parents:
            parent._mark_routes_changed()

    def __deepcopy__(self, memo: dict[int, Any]) -> "APIRouter":
        # A router of its own: those that this one is included in stay out of it.
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        own = {**vars(self), "_parents": [], "_tables": None, "_fallback_made": None}
        routes = list(own.pop("_routes"))
        vars(made).update(deepcopy(own, memo))
        made.routes = deepcopy(routes, memo)
        return made

    def _get_routes_version(self) -> int:
        """A number that grows whenever a route here or in an included router changes."""
        return self._routes_version

    def _contains_router(self, router: "APIRouter") -> bool:
        included = [r.original_router for r in self.routes if isinstance(r, IncludedRouter)]
        return any(inner is router or inner._contains_router(router) for inner in included)

    def route(
        self,
        path: str,
        methods: Collection[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Decorate a plain function of a Request that returns a Response."""

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.add_route(path, func, methods=methods, name=name, include_in_schema=include_in_schema)
            return func

        return decorator

    @spelled(OPERATION, ADD_ROUTE_NAMES, fill=True)
    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Unpack[OperationOptions]) -> None:
        """Add an endpoint; what the decorators call."""
        given: dict[str, Any] = dict(options)
        route_class = given.pop("route_class_override") or self.route_class
        given["tags"] = [*self.tags, *(given["tags"] or [])]
        given["dependencies"] = [*self.dependencies, *(given["dependencies"] or [])]
        given["callbacks"] = [*self.callbacks, *(given["callbacks"] or [])]
        given["responses"] = {**self.responses, **(given["responses"] or {})}
        given["deprecated"] = given["deprecated"] or self.deprecated
        given["include_in_schema"] = given["include_in_schema"] and self.include_in_schema
        for name, default in (
            ("response_class", self.default_response_class),
            ("generate_unique_id_function", self.generate_unique_id_function),
            ("strict_content_type", self.strict_content_type),
        ):
            given[name] = get_value_or_default(given[name], default)
        given["max_body_size"] = first_given(given["max_body_size"], self.max_body_size)
        given["dependency_overrides_provider"] = self.dependency_overrides_provider
        given["sync_handlers"] = given["sync_handlers"] or self.sync_handlers
        given["json_encoder"] = first_given(given["json_encoder"], self.json_encoder)
        for name in ("form_limits", "sync_handlers", "json_encoder"):
            # A route class of the application's may not know these options.
            if given[name] is None:
                del given[name]
        declare(self, route_class(self.prefix + path, endpoint=endpoint, **given))

    @spelled(OPERATION, API_ROUTE_NAMES, fill=True)
    def api_route(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare an endpoint for the given methods; the options are those of `get`."""

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.add_api_route(path, func, **options)
            return func

        return decorator

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[params.Depends] | None = None,
    ) -> None:
        """Add a WebSocket endpoint; what the decorator calls."""
        route = APIWebSocketRoute(
            self.prefix + path,
            endpoint=endpoint,
            name=name,
            dependencies=[*self.dependencies, *(dependencies or [])],
            dependency_overrides_provider=self.dependency_overrides_provider,
        )
        declare(self, route)

    def websocket(
        self,
        path: str,
        name: str | None = None,
        *,
        dependencies: Sequence[params.Depends] | None = None,
    ) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """
        Declare a WebSocket endpoint.

        ```python
        @router.websocket("/echo")
        async def echo(websocket: WebSocket):
            await websocket.accept()
            await websocket.send_text(await websocket.receive_text())
        ```
        """

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.add_api_websocket_route(path, func, name=name, dependencies=dependencies)
            return func

        return decorator

    def websocket_route(self, path: str, name: str | None = None) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Decorate a plain function of a WebSocket."""

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.add_websocket_route(path, func, name=name)
            return func

        return decorator

    @spelled(INCLUDE, fill=True)
    def include_router(self, router: "APIRouter", **options: Unpack[IncludeOptions]) -> None:
        """
        Include another router's endpoints, below `prefix` and with more tags,
        dependencies and so on. Endpoints that are added to it later count too.
        """
        assert self is not router, (
            "Cannot include the same APIRouter instance into itself. Did you mean to include a different router?"
        )
        assert not router._contains_router(self), (
            "Cannot include an APIRouter instance that already includes this router. "
            "Did you mean to include a different router?"
        )
        given: dict[str, Any] = dict(options)
        prefix = given["prefix"]
        _check_prefix(prefix)
        if not prefix:
            for _, route in effective_routes(router.routes):
                path = getattr(route, "path", None)
                if path is not None and not path:
                    name = getattr(route, "name", "unknown")
                    raise FastAPIError(f"Prefix and path cannot be both empty (path operation: {name})")
        include(self, IncludedRouter(router, IncludeContext.for_include(self, router, given)))
        router._parents.append(self)
        for handler in router.on_startup:
            self.add_event_handler("startup", handler)
        for handler in router.on_shutdown:
            self.add_event_handler("shutdown", handler)
        self.lifespan_context = merged_lifespan(self.lifespan_context, router.lifespan_context)

    # ---- for subclasses to override: what an included router does ----

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether one of the routes answers a request, where the router is included."""
        included = own_scope(scope).get(INCLUDED)
        if isinstance(included, IncludedRouter) and included.original_router is self:
            return included.matches_here(scope)
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, where the router is included; else as an ASGI callable."""
        included = own_scope(scope).get(INCLUDED)
        if isinstance(included, IncludedRouter) and included.original_router is self:
            await included.handle_here(scope, receive, send)
        else:
            await self(scope, receive, send)

    # ---- frontends ----

    def frontend(
        self,
        path: str,
        *,
        directory: str | os.PathLike[str],
        fallback: Literal["auto", "index.html", "404.html"] | None = "auto",
        check_dir: bool | Literal["auto"] = "auto",
    ) -> None:
        """
        Serve the files of a built frontend below a path, where no route answers.

        `fallback` is the file for paths that have none: `index.html`, when a
        page is asked for, or `404.html`; `auto` takes the one that is there.
        """
        wants = wants_check(directory, check_dir)
        files = FrontendFiles(directory, fallback, wants)
        below = self.prefix + check_path(path)
        self._frontends.append(Frontend(below, files, self.dependencies, self.dependency_overrides_provider))
        self._mark_routes_changed()

    def _fallback(self) -> Frontends | None:
        """What is asked when no route answers."""
        if self._fallback_made is None or self._fallback_made[0] != self._routes_version:
            self._fallback_made = (self._routes_version, Frontends(self))
        return self._fallback_made[1] or None

    async def not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what no route answers."""
        fallback = self._fallback() if scope["type"] == "http" else None
        await (fallback or super().not_found)(scope, receive, send)

    # ---- start-up and shut-down functions ----

    async def _startup(self) -> None:
        for handler in self.on_startup:
            await call_handler(handler)

    async def _shutdown(self) -> None:
        for handler in self.on_shutdown:
            await call_handler(handler)

    def add_event_handler(self, event_type: str, func: Callable[[], Any]) -> None:
        """Call a function at `startup` or `shutdown`; a lifespan is the newer way."""
        assert event_type in ("startup", "shutdown")
        (self.on_startup if event_type == "startup" else self.on_shutdown).append(func)

    @deprecated("on_event is deprecated, use lifespan event handlers instead.")
    def on_event(self, event_type: str) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Deprecated: decorate a function to be called at `startup` or `shutdown`."""

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.add_event_handler(event_type, func)
            return func

        return decorator


def _check_prefix(prefix: str) -> None:
    if prefix:
        assert prefix.startswith("/"), "A path prefix must start with '/'"
        assert not prefix.endswith("/"), "A path prefix must not end with '/', as the routes will start with '/'"


add_verbs(APIRouter, lambda router: router, VERB_NAMES)
