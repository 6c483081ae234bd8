"""Routes with what they are where they stand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from ._include import effective_routes


@dataclass(frozen=True)
class RouteContext:
    """A route, and what it is where its router is included."""

    route: BaseRoute
    _effective: Any = field(default=None, repr=False)

    @property
    def original_route(self) -> BaseRoute:
        """The route that was declared."""
        return self.route

    @property
    def path(self) -> str | None:
        """The path with prefixes."""
        return getattr(self._effective, "path", None)

    @property
    def path_format(self) -> str | None:
        """The path with prefixes, without convertors."""
        return getattr(self._effective, "path_format", None)

    @property
    def name(self) -> str | None:
        """The route's name."""
        return getattr(self._effective, "name", None)

    @property
    def methods(self) -> set[str] | None:
        """The methods that the route takes."""
        return getattr(self._effective, "methods", None)

    @property
    def endpoint(self) -> Callable[..., Any] | None:
        """The function that was decorated."""
        return getattr(self._effective, "endpoint", None)

    @property
    def starlette_route(self) -> BaseRoute | None:
        """The route as it stands here, if it is not an APIRoute: a mount, a WebSocket."""
        from .routing import APIRoute

        return None if isinstance(self._effective, APIRoute) else self._effective

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the route's path and methods, with prefixes, fit a request."""
        from ._route import match_route
        from .routing import EffectiveRoute

        if isinstance(self._effective, EffectiveRoute):
            return match_route(self._effective, scope)
        found: tuple[Match, Scope] = self._effective.matches(scope)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._effective, name)


def iter_route_contexts(routes: Sequence[BaseRoute | RouteContext]) -> Iterator[RouteContext]:
    """Every route with what it is where it stands, routers resolved."""
    for route in routes:
        if isinstance(route, RouteContext):
            yield route
        else:
            for original, effective in effective_routes([route]):
                yield RouteContext(original, effective)
