"""
Signatures written once.

Many public callables share a long list of options.  Each list is a TypedDict
(for type checkers, through Unpack) and a dict of defaults; a callable that
takes `**options` is given the spelled-out signature by `spelled()`, which
also refuses names that are not in it.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_type_hints

F = TypeVar("F", bound=Callable[..., Any])


class Options:
    """A list of keyword options: their types, their defaults and their order."""

    def __init__(self, hints: type, defaults: Mapping[str, Any]) -> None:
        self.hints = hints
        self.defaults = dict(defaults)
        self._types: dict[str, Any] | None = None

    def type_of(self, name: str) -> Any:
        if self._types is None:
            self._types = get_type_hints(self.hints, include_extras=True)
        return self._types[name]

    def parameters(self, names: Iterable[str] | None, defaults: Mapping[str, Any]) -> list[inspect.Parameter]:
        chosen = self.defaults if names is None else names
        return [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults[name] if name in defaults else self.defaults[name],
                annotation=self.type_of(name),
            )
            for name in chosen
        ]


def spelled(
    options: Options,
    names: Iterable[str] | None = None,
    *,
    fill: bool = False,
    **defaults: Any,
) -> Callable[[F], F]:
    """
    Spell a function's `**options` out.

    `names` chooses and orders the options; `defaults` replaces some defaults;
    with `fill` the function receives every option, given or not.
    """
    chosen = list(options.defaults if names is None else names)

    def decorate(function: F) -> F:
        own = inspect.signature(function)
        fixed = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        extra = options.parameters(chosen, defaults)
        signature = own.replace(parameters=[*fixed, *extra])
        values = {parameter.name: parameter.default for parameter in extra}
        known = set(values) | {p.name for p in fixed}

        @functools.wraps(function)
        def checked(*args: Any, **given: Any) -> Any:
            for name in given:
                if name not in known:
                    raise TypeError(f"{function.__qualname__}() got an unexpected keyword argument '{name}'")
            return function(*args, **{**values, **given} if fill else given)

        checked.__signature__ = signature  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate
