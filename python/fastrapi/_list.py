"""The list of a router's routes."""

from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

from starlette.routing import BaseRoute


class RouteList(list[BaseRoute]):
    """A list of routes that tells when it changes."""

    def __init__(self, items: Iterable[BaseRoute], changed: Callable[[], None]) -> None:
        super().__init__(items)
        self._changed = changed

    def append(self, item: BaseRoute, /) -> None:
        super().append(item)
        self._changed()

    def extend(self, items: Iterable[BaseRoute], /) -> None:
        super().extend(items)
        self._changed()

    def insert(self, index: SupportsIndex, item: BaseRoute, /) -> None:
        super().insert(index, item)
        self._changed()

    def remove(self, item: BaseRoute, /) -> None:
        super().remove(item)
        self._changed()

    def pop(self, index: SupportsIndex = -1, /) -> BaseRoute:
        item = super().pop(index)
        self._changed()
        return item

    def clear(self) -> None:
        super().clear()
        self._changed()

    def reverse(self) -> None:
        super().reverse()
        self._changed()

    def sort(self, **how: Any) -> None:
        super().sort(**how)
        self._changed()

    def __setitem__(self, index: Any, value: Any, /) -> None:
        super().__setitem__(index, value)
        self._changed()

    def __delitem__(self, index: Any, /) -> None:
        super().__delitem__(index)
        self._changed()

    def __iadd__(self, items: Any, /) -> "RouteList":  # type: ignore[override,misc]
        self.extend(items)
        return self
