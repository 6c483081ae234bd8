"""Routes with what they are where they stand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import BaseRoute

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
