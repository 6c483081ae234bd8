"""
What plugins change of routes in place, telling nobody.

When the application starts, they give a dependant another callable, or one more
dependency.  A worker has compiled the routes before that.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from ._compile.dependant import Dependant

_PARTS = [field.name for field in dataclasses.fields(Dependant)]


def outline(route: Any) -> list[object]:
    """What a route is made of, part by part."""
    parts = _flat(value for name, value in vars(route).items() if name != "_app")
    todo = [route.dependant]
    while todo:
        dependant = todo.pop()
        parts.append(dependant)
        parts += _flat(getattr(dependant, name) for name in _PARTS)
        todo.extend(dependant.dependencies)
    return parts


def _flat(values: Iterable[object]) -> list[object]:
    """Each value, and what is in the lists among them."""
    parts: list[object] = []
    for value in values:
        parts.append(value)
        if isinstance(value, list):
            parts.extend(value)
    return parts


def is_unchanged(before: list[object], after: list[object]) -> bool:
    """Whether two outlines are of the very same parts."""
    return len(before) == len(after) and all(a is b for a, b in zip(before, after, strict=True))
