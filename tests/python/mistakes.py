"""What a declaration is told of, as the tests of it compare it."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from fastrapi.exceptions import FastrAPIDeclarationWarning


def at(function: Any) -> str:
    return f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}, in {function.__qualname__}"


def text_of(exc: BaseException) -> str:
    """As a traceback shows it, without the type."""
    return "\n".join([str(exc), *getattr(exc, "__notes__", [])])


def warned(act: Callable[..., Any], *args: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act(*args)
    return [str(one.message) for one in caught if one.category is FastrAPIDeclarationWarning]


def refused(kind: type[BaseException], act: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(kind) as caught:
        act(*args)
    assert type(caught.value) is kind
    return text_of(caught.value)
