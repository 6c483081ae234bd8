"""
Which route is hidden behind earlier ones, or has the operation id of one.

Paths are kept in a tree by segments, so that asking costs what the path is
long, not what the application is large.  Paths with expressions inside a
segment are left out: nothing is said of them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.convertors import CONVERTOR_TYPES
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from .._include import IncludedRouter, effective_routes
from .diagnostics import label
from .patterns import pattern_of

Segment = list[str]

# What the values of a convertor are also values of.
_WIDER = {"str": ("str",), "int": ("int", "float", "str"), "float": ("float", "str"), "uuid": ("uuid", "str")}


class _Node:
    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.convertors: dict[str, _Node] = {}
        self.ends: list[tuple[frozenset[str] | None, Any]] = []
        self.tails: list[tuple[frozenset[str] | None, Any]] = []


def _ways(node: _Node, kind: str, text: str) -> Iterator[_Node]:
    """The nodes that take all that a segment can be."""
    if kind == "lit":
        if text in node.literals:
            yield node.literals[text]
        for name, child in node.convertors.items():
            if re.fullmatch(CONVERTOR_TYPES[name].regex, text):
                yield child
    else:
        for name in _WIDER[kind]:
            if name in node.convertors:
                yield node.convertors[name]


def _covering(node: _Node, segments: list[Segment], index: int) -> Iterator[tuple[frozenset[str] | None, Any]]:
    if index == len(segments):
        yield from node.ends
        return
    yield from node.tails
    kind, text = segments[index]
    if kind != "path":
        for child in _ways(node, kind, text):
            yield from _covering(child, segments, index + 1)


class RouteTree:
    """The routes so far, in their order."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, path: str, methods: Iterable[str] | None, owner: Any) -> list[Any]:
        """Add a route; the owners of earlier ones that leave nothing to it, or none."""
        segments = pattern_of(path)
        if segments is None:
            return []
        wanted = None if methods is None else frozenset(methods)
        found = self._hiding(segments, wanted)
        node = self._root
        for kind, text in segments:
            if kind == "path":
                node.tails.append((wanted, owner))
                return found
            children = node.literals if kind == "lit" else node.convertors
            node = children.setdefault(text if kind == "lit" else kind, _Node())
        node.ends.append((wanted, owner))
        return found

    def _hiding(self, segments: list[Segment], wanted: frozenset[str] | None) -> list[Any]:
        owners: list[Any] = []
        left = None if wanted is None else set(wanted)
        for methods, owner in _covering(self._root, segments, 0):
            if methods is None:
                return [*owners, owner]
            if left is not None and left & methods:
                left -= methods
                owners.append(owner)
                if not left:
                    return owners
        return []


# ---- the routes of an application, or of a router ----


@dataclass(frozen=True)
class Standing:
    """A route and where it stands."""

    route: Any
    path: str
    methods: frozenset[str] | None
    kinds: tuple[str, ...]  # of "http", "websocket"
    operation_id: str | None = None
    group: Any = None  # the inclusion that it came with

    @property
    def name(self) -> str:
        if isinstance(self.route, Mount):
            return f"mount {self.path.removesuffix('/{path:path}') or '/'}"
        return label(self.path, self.methods) if "http" in self.kinds else f"WebSocket {self.path}"

    @property
    def endpoint(self) -> Any:
        return getattr(self.route, "endpoint", None)


def _has_own_way(route: BaseRoute) -> bool:
    """Whether a class decides for itself what it answers."""
    from ..routing import APIRoute, APIWebSocketRoute

    usual = (APIRoute.matches, Route.matches, APIWebSocketRoute.matches, WebSocketRoute.matches, Mount.matches)
    return type(route).matches not in usual


def _stand(route: Any, path: str, unique_id: str | None, group: Any) -> Standing | None:
    if _has_own_way(route):
        return None
    if isinstance(route, Mount):
        return Standing(route, path + "/{path:path}", None, ("http", "websocket"), group=group)
    if isinstance(route, WebSocketRoute):
        return Standing(route, path, None, ("websocket",), group=group)
    if isinstance(route, Route):
        methods = frozenset(route.methods) if route.methods else None
        shown = route.include_in_schema and unique_id
        return Standing(route, path, methods, ("http",), unique_id if shown else None, group)
    return None


def standing(routes: Iterable[BaseRoute], prefix: str = "", group: Any = None) -> Iterator[Standing]:
    """
    The routes with their paths.

    Nothing is worked out anew: a route below a prefix has no operation id here
    unless it was given one.
    """
    for route in routes:
        if not isinstance(route, IncludedRouter):
            unique_id = getattr(route, "operation_id" if prefix else "unique_id", None)
            found = _stand(route, prefix + getattr(route, "path", ""), unique_id, group)
            if found is not None:
                yield found
        elif not route.has_own_way:
            inner = prefix + route.include_context.prefix
            yield from standing(route.original_router.routes, inner, group)


def effective(routes: Iterable[BaseRoute]) -> Iterator[Standing]:
    """The routes as they are where they stand, worked out."""
    for original, route in effective_routes(routes):
        found = _stand(original, getattr(route, "path", ""), getattr(route, "unique_id", None), None)
        if found is not None:
            yield found


class Tables:
    """What was declared so far, for questions about what comes next."""

    def __init__(self, entries: Iterable[Standing] = ()) -> None:
        self.version = 0
        self._trees = {"http": RouteTree(), "websocket": RouteTree()}
        self._ids: dict[str, Standing] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Standing) -> tuple[list[Standing], Standing | None]:
        """Add a route; the earlier ones that hide it, and an earlier one with the same operation id."""
        hiding = [self._trees[kind].add(entry.path, entry.methods, entry) for kind in entry.kinds]
        same = None
        if entry.operation_id is not None:
            first = self._ids.setdefault(entry.operation_id, entry)
            same = None if first is entry else first
        return (hiding[0] if all(hiding) else []), same
