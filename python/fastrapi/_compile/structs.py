"""
msgspec.Struct and attrs classes in annotations: read, written and described by msgspec.

Pydantic knows neither.  In an annotation each gets a mark that gives Pydantic a
schema which leaves the value to msgspec; so lists, unions and defaults around
it, the plan and the errors' places are those of any other field.
"""

import importlib
import re
import sys
from collections.abc import Callable, Iterable
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic import PydanticSchemaGenerationError, TypeAdapter
from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticCustomError,
    ValidationError,
    core_schema,
)

# In the metadata of a core schema: the JSON schema and what it refers to, by name.
COMPONENTS = "fastrapi_components"

Path = tuple[str | int, ...]


def _msgspec() -> Any:
    """msgspec, if it is installed."""
    try:
        return importlib.import_module("msgspec")
    except ImportError:
        return None


def _is_attrs(cls: Any) -> bool:
    return isinstance(cls, type) and "__attrs_attrs__" in vars(cls)


def is_struct_instance(value: Any) -> bool:
    # Who has such an object has imported msgspec.
    module = sys.modules.get("msgspec")
    return module is not None and isinstance(value, module.Struct)


def attrs_fields(value: Any) -> dict[str, Any]:
    """What an object of an attrs class holds; one with slots has no vars()."""
    return {field.name: getattr(value, field.name) for field in type(value).__attrs_attrs__}


def sent_names(value: Any, names: Iterable[str] | None) -> set[str] | None:
    """Names of a struct's fields as they are written."""
    if names is None:
        return None
    cls = type(value)
    known = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
    return {known.get(name, name) for name in names}


def is_struct(annotation: Any) -> bool:
    """A class that msgspec reads and Pydantic does not know."""
    cls = get_origin(annotation) or annotation
    if not isinstance(cls, type) or hasattr(cls, "__get_pydantic_core_schema__"):
        return False
    if _is_attrs(cls):
        return _msgspec() is not None
    module = sys.modules.get("msgspec")
    return module is not None and issubclass(cls, module.Struct)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _pydantic_knows(annotation: Any) -> bool:
    """Whether validators in the annotation make it one for Pydantic, whatever the class."""
    try:
        TypeAdapter(annotation)
    except PydanticSchemaGenerationError:
        return False
    return True


def has_structs(annotation: Any) -> bool:
    return with_structs(annotation) is not annotation


def with_structs(annotation: Any) -> Any:
    """The annotation with a mark at each class that msgspec reads; mostly the same object."""
    if is_struct(annotation):
        return Annotated[annotation, ByMsgspec(annotation)]
    args = get_args(annotation)
    if not args:
        return annotation
    if get_origin(annotation) is Annotated:
        inner = with_structs(args[0])
        if inner is args[0]:
            return annotation
        has_own = any(hasattr(item, "__get_pydantic_core_schema__") for item in args[1:])
        return annotation if has_own and _pydantic_knows(annotation) else Annotated[(inner, *args[1:])]
    if _is_union(annotation) and sum(map(is_struct, args)) > 1 and all(is_struct(a) or a is NoneType for a in args):
        # msgspec tells them apart by their tags.
        return Annotated[annotation, ByMsgspec(annotation)]
    marked = tuple(with_structs(arg) for arg in args)
    if all(new is old for new, old in zip(marked, args, strict=True)):
        return annotation
    if _is_union(annotation):
        return Union[marked]  # noqa: UP007
    if isinstance(annotation, GenericAlias):
        return GenericAlias(get_origin(annotation), marked)
    return annotation.copy_with(marked)


_ERROR = re.compile(r"(.*?)(?: - at (?:`key` in )?`(\$.*)`)?", re.DOTALL)
# `$.items[0].name`; `[...]` is some value of a dict or an item of a set.
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(.*)`$")


def _walk(path: str, value: Any) -> tuple[Path, Any]:
    """As much of msgspec's path as can be followed in what was sent, and what is there."""
    loc: list[str | int] = []
    at = 1
    while match := _STEP.match(path, at):
        step = match[1] if match[2] is None else int(match[2])
        try:
            value = value[step]
        except (LookupError, TypeError):
            break
        loc.append(step)
        at = match.end()
    return tuple(loc), value


def _details(exc: Exception, value: Any) -> InitErrorDetails:
    """The error of msgspec as one of Pydantic's."""
    match = _ERROR.fullmatch(str(exc))
    assert match
    message, path = match[1], match[2] or "$"
    loc, found = _walk(path, value)
    missing = _MISSING.match(message)
    if missing:
        return {"type": "missing", "loc": (*loc, missing[1]), "input": found}
    return {"type": PydanticCustomError("msgspec", cast(Any, message)), "loc": loc, "input": found}


class ByMsgspec:
    """The mark: values of this type are msgspec's."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        args = get_args(annotation) if _is_union(annotation) else (annotation,)
        self._classes = tuple(get_origin(arg) or arg for arg in args)

    def __repr__(self) -> str:
        return "by msgspec"

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(to_plain),
            metadata={COMPONENTS: self._described()},
        )

    def _described(self) -> tuple[dict[str, Any], dict[str, Any]]:
        # Here, so that a type that msgspec does not know is an error at declaration.
        try:
            (schema,), components = _msgspec().json.schema_components([self.annotation], ref_template="{name}")
        except TypeError as exc:
            from ..exceptions import FastAPIError

            raise FastAPIError(f"msgspec can't describe {self.annotation!r}: {exc}") from exc
        return schema, components

    def _read(self, value: Any) -> Any:
        if isinstance(value, self._classes):
            return value
        msgspec = _msgspec()
        try:
            return msgspec.convert(value, self.annotation, from_attributes=True, str_keys=True)
        except msgspec.ValidationError as exc:
            raise ValidationError.from_exception_data("msgspec", [_details(exc, value)]) from None


def to_plain(value: Any) -> Any:
    """A value that msgspec knows as dicts, lists, strings and so on."""
    return _msgspec().to_builtins(value, str_keys=True)
