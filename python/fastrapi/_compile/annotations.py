"""Questions about annotations: scalar or not, a sequence of what, files or bytes."""

import types
import typing
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any, TypeGuard, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from starlette.datastructures import UploadFile

_T = TypeVar("_T")

SEQUENCES: dict[type, type] = {
    Sequence: list,
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    deque: deque,
}
SEQUENCE_TYPES: tuple[type, ...] = tuple(SEQUENCES)

_GENERIC: tuple[Any, ...] = (
    typing._GenericAlias,  # type: ignore[attr-defined]
    types.GenericAlias,
    types.UnionType,
)


def is_union(annotation: object) -> bool:
    origin = get_origin(annotation)
    return origin is Union or origin is types.UnionType


def lenient_issubclass(cls: Any, class_or_tuple: type[_T] | tuple[type[_T], ...] | None) -> TypeGuard[type[_T]]:
    """issubclass() that says no to what is not a class."""
    try:
        return isinstance(cls, type) and issubclass(cls, class_or_tuple)  # type: ignore[arg-type]
    except TypeError:
        if isinstance(cls, _GENERIC):
            return False
        raise


def _is_sequence_class(annotation: object) -> bool:
    return not lenient_issubclass(annotation, (str, bytes)) and lenient_issubclass(annotation, SEQUENCE_TYPES)


def is_sequence(annotation: object) -> bool:
    """A sequence, or a union with one in it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return is_sequence(get_args(annotation)[0])
    if is_union(annotation):
        return any(is_sequence(arg) for arg in get_args(annotation))
    return _is_sequence_class(annotation) or _is_sequence_class(origin)


def is_sequence_value(value: Any) -> bool:
    return isinstance(value, SEQUENCE_TYPES) and not isinstance(value, (str, bytes))


def _is_complex_class(annotation: object) -> bool:
    return (
        lenient_issubclass(annotation, (BaseModel, Mapping, UploadFile))
        or _is_sequence_class(annotation)
        or is_dataclass(annotation)
    )


def is_complex(annotation: object) -> bool:
    """What goes into the body unless it is declared otherwise."""
    origin = get_origin(annotation)
    if is_union(annotation):
        return any(is_complex(arg) for arg in get_args(annotation))
    if origin is Annotated:
        return is_complex(get_args(annotation)[0])
    return (
        _is_complex_class(annotation)
        or _is_complex_class(origin)
        or hasattr(origin, "__pydantic_core_schema__")
        or hasattr(origin, "__get_pydantic_core_schema__")
    )


def is_scalar(annotation: Any) -> bool:
    # The ... of tuple[int, ...] counts as one.
    return annotation is Ellipsis or not is_complex(annotation)


def is_scalar_sequence(annotation: object) -> bool:
    """A sequence of scalars; in a union: one at least, and otherwise scalars."""
    if get_origin(annotation) is Annotated:
        return is_scalar_sequence(get_args(annotation)[0])
    if is_union(annotation):
        args = get_args(annotation)
        sequences = [is_scalar_sequence(arg) for arg in args]
        others = zip(args, sequences, strict=True)
        return any(sequences) and all(known or is_scalar(arg) for arg, known in others)
    return is_sequence(annotation) and all(is_scalar(arg) for arg in get_args(annotation))


def _is_or_has(annotation: Any, wanted: type) -> bool:
    if lenient_issubclass(annotation, wanted):
        return True
    return is_union(annotation) and any(lenient_issubclass(arg, wanted) for arg in get_args(annotation))


def _is_sequence_of(annotation: Any, wanted: type) -> bool:
    if is_union(annotation):
        return any(_is_sequence_of(arg, wanted) for arg in get_args(annotation))
    return is_sequence(annotation) and all(_is_or_has(arg, wanted) for arg in get_args(annotation))


def is_bytes(annotation: Any) -> bool:
    return _is_or_has(annotation, bytes)


def is_bytes_sequence(annotation: Any) -> bool:
    return _is_sequence_of(annotation, bytes)


def is_upload(annotation: Any) -> bool:
    return _is_or_has(annotation, UploadFile)


def is_upload_sequence(annotation: Any) -> bool:
    return _is_sequence_of(annotation, UploadFile)


def _v1_model() -> type | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            from pydantic import v1
    except ImportError:
        return None
    return v1.BaseModel


def is_pydantic_v1_instance(value: Any) -> bool:
    model = _v1_model()
    return model is not None and isinstance(value, model)


def annotation_is_pydantic_v1(annotation: Any) -> bool:
    """A model of pydantic.v1, which is not supported, or something made of them."""
    model = _v1_model()
    if model is None:
        return False
    if lenient_issubclass(annotation, model):
        return True
    if is_union(annotation) and any(lenient_issubclass(a, model) for a in get_args(annotation)):
        return True
    return is_sequence(annotation) and any(annotation_is_pydantic_v1(arg) for arg in get_args(annotation))
