"""
Routers inside routers.

include_router() keeps a reference and a context, it copies nothing: a route
that is added to the router later appears in the application too.  What the
routes are where they are included is worked out when somebody asks, and kept
until the router changes.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from starlette import routing
from starlette.routing import BaseRoute, Match, NoMatchFound, compile_path
from starlette.types import Receive, Scope, Send

from . import params
from ._encoding import JSONEncoder
from ._limits import FormLimits, check_max_body_size, checked_form_limits, first_given
from .utils import get_value_or_default

if TYPE_CHECKING:
    from ._contexts import RouteContext
    from .routing import APIRouter

# In a scope, below the key "fastapi": what an included route or router is there.
SCOPE = "fastapi"
CONTEXT = "effective_route_context"
INCLUDED = "included_router"
# In what matches() returns for the scope: the route, and what it wants there.
SELECTED = "fastrapi.included_route"


def own_scope(scope: Scope) -> dict[str, Any]:
    """What the routes and routers on the way have written into a scope."""
    own = scope.get(SCOPE)
    return own if isinstance(own, dict) else {}


@dataclass
class IncludeContext:
    """What the routers around a route add to it."""

    included_router: "APIRouter"
    prefix: str = ""
    tags: list[str | Enum] = field(default_factory=list)
    dependencies: list[params.Depends] = field(default_factory=list)
    default_response_class: Any = None
    responses: dict[int | str, dict[str, Any]] = field(default_factory=dict)
    callbacks: list[BaseRoute] = field(default_factory=list)
    deprecated: bool | None = None
    include_in_schema: bool = True
    generate_unique_id_function: Any = None
    strict_content_type: Any = None
    dependency_overrides_provider: Any | None = None
    max_body_size: int | None = None
    form_limits: FormLimits = field(default_factory=lambda: FormLimits())
    json_encoder: JSONEncoder | None = None

    @classmethod
    def for_include(cls, parent: "APIRouter", included: "APIRouter", options: dict[str, Any]) -> "IncludeContext":
        """The context of one include_router()."""
        check_max_body_size(options["max_body_size"])
        limits = checked_form_limits(options["form_limits"])
        return cls(
            included_router=included,
            prefix=parent.prefix + options["prefix"],
            tags=[*parent.tags, *(options["tags"] or [])],
            dependencies=[*parent.dependencies, *(options["dependencies"] or [])],
            default_response_class=get_value_or_default(
                options["default_response_class"], parent.default_response_class
            ),
            responses={**parent.responses, **(options["responses"] or {})},
            callbacks=[*parent.callbacks, *(options["callbacks"] or [])],
            deprecated=options["deprecated"] or parent.deprecated,
            include_in_schema=parent.include_in_schema and options["include_in_schema"],
            generate_unique_id_function=get_value_or_default(
                options["generate_unique_id_function"], parent.generate_unique_id_function
            ),
            strict_content_type=parent.strict_content_type,
            dependency_overrides_provider=parent.dependency_overrides_provider,
            max_body_size=first_given(included.max_body_size, options["max_body_size"], parent.max_body_size),
            form_limits={**limits, **included.form_limits},
            json_encoder=first_given(included.json_encoder, parent.json_encoder),
        )

    def combine(self, inner: "IncludeContext") -> "IncludeContext":
        """This context around another one."""
        return IncludeContext(
            included_router=inner.included_router,
            prefix=self.prefix + inner.prefix,
            tags=[*self.tags, *inner.tags],
            dependencies=[*self.dependencies, *inner.dependencies],
            default_response_class=get_value_or_default(inner.default_response_class, self.default_response_class),
            responses={**self.responses, **inner.responses},
            callbacks=[*self.callbacks, *inner.callbacks],
            deprecated=self.deprecated or inner.deprecated,
            include_in_schema=self.include_in_schema and inner.include_in_schema,
            generate_unique_id_function=get_value_or_default(
                inner.generate_unique_id_function, self.generate_unique_id_function
            ),
            strict_content_type=get_value_or_default(inner.strict_content_type, self.strict_content_type),
            dependency_overrides_provider=self.dependency_overrides_provider,
            max_body_size=first_given(inner.max_body_size, self.max_body_size),
            form_limits={**self.form_limits, **inner.form_limits},
            json_encoder=first_given(inner.json_encoder, self.json_encoder),
        )


def _moved(route: BaseRoute, context: IncludeContext) -> BaseRoute | None:
    """A route that is not an APIRoute, below the prefix."""
    from .routing import APIWebSocketRoute

    if isinstance(route, routing.Route):
        return routing.Route(
            context.prefix + route.path,
            endpoint=route.endpoint,
            methods=list(route.methods or []),
            name=route.name,
            include_in_schema=route.include_in_schema,
        )
    if isinstance(route, APIWebSocketRoute):
        return APIWebSocketRoute(
            context.prefix + route.path,
            endpoint=route.endpoint,
            name=route.name,
            dependencies=[*context.dependencies, *route.dependencies],
            dependency_overrides_provider=context.dependency_overrides_provider,
        )
    if isinstance(route, routing.WebSocketRoute):
        return routing.WebSocketRoute(context.prefix + route.path, route.endpoint, name=route.name)
    if isinstance(route, routing.Mount):
        mount = copy.copy(route)
        mount.path = (context.prefix + route.path).rstrip("/")
        mount.path_regex, mount.path_format, mount.param_convertors = compile_path(mount.path + "/{path:path}")
        return mount
    if isinstance(route, routing.Host):
        app = route.app
        if context.prefix:
            app = routing.Router(routes=[routing.Mount(context.prefix, app=app)])
        return routing.Host(route.host, app=app, name=route.name)
    return None


def _placed(route: BaseRoute, context: IncludeContext) -> Any:
    """The same, with what is to be known of it later; None for a route that can't be included."""
    from ._outline import outline
    from .routing import APIWebSocketRoute

    moved: Any = _moved(route, context)
    if moved is not None:
        moved.max_body_size = context.max_body_size
    if isinstance(route, APIWebSocketRoute):
        moved._context = context
        moved._read = outline(route)
    return moved


def _again(route: BaseRoute, effective: Any) -> Any:
    """What a route is where it stands, made anew if the route was changed in place."""
    from ._outline import is_unchanged, outline
    from .routing import APIWebSocketRoute, EffectiveRoute

    if isinstance(effective, EffectiveRoute):
        return effective.again()
    if isinstance(route, APIWebSocketRoute) and not is_unchanged(effective._read, outline(route)):
        return _placed(route, effective._context)
    return effective


class IncludedRouter(BaseRoute):
    """A router at its place among the routes of another."""

    def __init__(self, original_router: "APIRouter", include_context: IncludeContext) -> None:
        self.original_router = original_router
        self.include_context = include_context
        self._routes: list[tuple[BaseRoute, Any]] = []
        self._version: int | None = None
        self._early = False
        self._own: list[tuple[BaseRoute, Any]] = []
        self._own_version: int | None = None

    def pairs(self) -> Sequence[tuple[BaseRoute, Any]]:
        """Each route that was declared, with what it is here; inner routers resolved."""
        version = self.original_router._get_routes_version()
        if version != self._version:
            self._routes = list(self._build())
            self._version = version
        elif self._early:
            self._routes = [(route, _again(route, effective)) for route, effective in self._routes]
        self._early = False
        return self._routes

    def look_again(self) -> None:
        """
        Have what the routes are here compared with what is declared, when somebody asks.

        It was worked out before the application started, and plugins may change routes
        until it is first asked for.
        """
        self._early = True
        self._own_version = None

    def effective_candidates(self) -> list[Any]:
        """The routes as they are here: what plugins inject into."""
        return list(self._parts())

    def _build(self, resolve: bool = True) -> Iterator[tuple[BaseRoute, Any]]:
        from .routing import APIRoute, EffectiveRoute

        for route in self.original_router.routes:
            if isinstance(route, IncludedRouter):
                context = self.include_context.combine(route.include_context)
                inner = IncludedRouter(route.original_router, context)
                if resolve:
                    yield from inner.pairs()
                else:
                    yield route, inner
            elif isinstance(route, APIRoute):
                yield route, EffectiveRoute(route, self.include_context)
            else:
                placed = _placed(route, self.include_context)
                if placed is not None:
                    yield route, placed

    @property
    def has_own_way(self) -> bool:
        """Whether the router, or one in it, decides for itself what it answers."""
        from .routing import APIRouter

        router = self.original_router
        own = type(router)
        if own.matches is not APIRouter.matches or own.handle is not APIRouter.handle:
            return True
        return any(isinstance(route, IncludedRouter) and route.has_own_way for route in router.routes)

    def _parts(self) -> Iterator[Any]:
        """The routes here, inner routers as they are."""
        if not self.has_own_way:
            yield from (route for _, route in self.pairs())
            return
        if self._own_version != self.original_router._get_routes_version():
            self._own_version = self.original_router._get_routes_version()
            self._own = list(self._build(resolve=False))
        yield from (route for _, route in self._own)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the router answers a request."""
        inside = {**scope, SCOPE: {**own_scope(scope), INCLUDED: self}}
        return self.original_router.matches(inside)

    def matches_here(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether one of the routes answers a request."""
        partial: tuple[Match, Scope] = (Match.NONE, {})
        for route in self._parts():
            match, child_scope = route.matches(scope)
            # The scope is changed when the route's turn comes, and not twice.
            found = (match, {SELECTED: (route, child_scope)})
            if match is Match.FULL:
                return found
            if match is Match.PARTIAL and partial[0] is Match.NONE:
                partial = found
        return partial

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the router answer."""
        scope[SCOPE] = {**own_scope(scope), INCLUDED: self}
        await self.original_router.handle(scope, receive, send)

    async def handle_here(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route answer that matches."""
        selected = scope.pop(SELECTED, None)
        if selected is None:
            selected = self.matches_here(scope)[1].get(SELECTED)
        if selected is None:
            await self.original_router.default(scope, receive, send)
            return
        route, child_scope = selected
        own = {**own_scope(scope), **own_scope(child_scope)}
        scope.update({**child_scope, SCOPE: own})
        await route.handle(scope, receive, send)

    def effective_route_contexts(self) -> Iterator["RouteContext"]:
        """Each route as it is here: what instrumentation matches requests with."""
        from ._contexts import RouteContext

        for route, effective in self.pairs():
            yield RouteContext(route, effective)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """The path of the first route with this name."""
        for _, route in self.pairs():
            try:
                return route.url_path_for(name, **path_params)
            except NoMatchFound:
                pass
        raise NoMatchFound(name, path_params)


def effective_routes(routes: Iterable[BaseRoute]) -> Iterator[tuple[BaseRoute, Any]]:
    """Each route that was declared, with what it is where it stands."""
    for route in routes:
        if isinstance(route, IncludedRouter):
            yield from route.pairs()
        else:
            yield route, route
