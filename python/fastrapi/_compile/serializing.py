"""Which part of a response model Pydantic can't turn into JSON, by a walk over its core schema."""

import datetime
import decimal
import enum
import pathlib
import re
import types
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import MultiHostUrl, Url

Schema = Mapping[str, Any]

# What pydantic-core serializes by looking at the value, where the schema says nothing.
_KNOWN = (
    str,
    bytes,
    bytearray,
    int,
    float,
    complex,
    dict,
    list,
    tuple,
    set,
    frozenset,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
    enum.Enum,
    pathlib.PurePath,
    re.Pattern,
    types.GeneratorType,
    BaseModel,
    Url,
    MultiHostUrl,
)
_MARKS = ("__pydantic_serializer__", "__dataclass_fields__")
_INSIDE = ("nullable", "default", "function-before", "function-after", "function-wrap", "model", "dataclass")


def _cannot(cls: Any) -> bool:
    if not isinstance(cls, type) or any(hasattr(cls, mark) for mark in _MARKS):
        return False
    # Of a class that known ones derive from, such as object, values may be known.
    return not issubclass(cls, _KNOWN) and not any(issubclass(known, cls) for known in _KNOWN)


class _Walk:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.definitions = definitions
        self.busy: set[str] = set()

    def below(self, schema: Schema, where: str) -> Iterator[tuple[str, str]]:
        """Places and what is there; what has a serializer of its own is left alone."""
        if "serialization" in schema:
            return
        kind = schema["type"]
        if kind == "is-instance" and _cannot(schema["cls"]):
            yield where, f"an instance of {schema['cls'].__qualname__}, which has no serializer"
        elif kind == "callable":
            yield where, "a function"
        elif kind == "is-subclass":
            yield where, "a class"
        elif kind == "definition-ref":
            yield from self._referred(schema["schema_ref"], where)
        elif kind in ("definitions", *_INSIDE):
            name = schema["cls"].__name__ if kind in ("model", "dataclass") else where
            yield from self.below(schema["schema"], name)
        else:
            yield from self._parts(kind, schema, where)

    def _referred(self, name: str, where: str) -> Iterator[tuple[str, str]]:
        if name in self.definitions and name not in self.busy:
            self.busy.add(name)
            yield from self.below(self.definitions[name], where)

    def _parts(self, kind: str, schema: Schema, where: str) -> Iterator[tuple[str, str]]:
        if kind in ("model-fields", "typed-dict"):
            for name, field in schema["fields"].items():
                if not field.get("serialization_exclude"):
                    yield from self.below(field["schema"], f"{where}.{name}" if where else name)
        elif kind == "dataclass-args":
            for field in schema["fields"]:
                if not field.get("serialization_exclude"):
                    yield from self.below(field["schema"], f"{where}.{field['name']}")
        elif kind in ("list", "set", "frozenset") and "items_schema" in schema:
            yield from self.below(schema["items_schema"], f"{where}[]")
        elif kind == "tuple":
            for inner in schema["items_schema"]:
                yield from self.below(inner, f"{where}[]")
        elif kind == "dict" and "values_schema" in schema:
            yield from self.below(schema["values_schema"], f"{where}[]")
        elif kind == "union":
            for choice in schema["choices"]:
                yield from self.below(choice[0] if isinstance(choice, tuple) else choice, where)
        elif kind == "tagged-union":
            for inner in schema["choices"].values():
                yield from self.below(inner, where)


def unserializable(adapter: TypeAdapter[Any]) -> list[tuple[str, str]]:
    """Places in a model, and what is there, for which there is no JSON."""
    if not adapter.pydantic_complete:
        return []  # it waits for a name; the plan tells if that never comes
    schema: Any = adapter.core_schema
    definitions = {inner["ref"]: inner for inner in schema["definitions"]} if schema["type"] == "definitions" else {}
    return list(_Walk(definitions).below(schema, ""))
