"""Turning any object into what JSON can hold."""

import dataclasses
import datetime
import importlib
from collections import defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import Path, PurePath
from re import Pattern
from types import GeneratorType
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic.networks import AnyUrl, NameEmail
from pydantic.types import SecretBytes, SecretStr
from pydantic_core import PydanticUndefinedType, Url

from ._compile.annotations import is_pydantic_v1_instance
from ._compile.structs import attrs_fields, is_struct_instance, sent_names, to_plain
from .exceptions import PydanticV1NotSupportedError
from .types import IncEx

Encoder = Callable[[Any], Any]


def isoformat(o: datetime.date | datetime.time) -> str:
    """A date or a time in ISO 8601."""
    return o.isoformat()


def decimal_encoder(dec_value: Decimal) -> int | float:
    """A decimal as int if it is written without a fraction, else as float."""
    exponent = dec_value.as_tuple().exponent
    whole = isinstance(exponent, int) and exponent >= 0
    return int(dec_value) if whole else float(dec_value)


def _color(module: str) -> type[Any]:
    """A module's Color, or a class that has no instances."""
    try:
        found: type[Any] = getattr(importlib.import_module(module), "Color")  # noqa: B009 (an error if it is not there)
    except (ImportError, AttributeError):
        return type("Color", (), {})
    return found


Color: type[Any] = _color("pydantic.color")
PyExtraColor: type[Any] = _color("pydantic_extra_types.color")

ENCODERS_BY_TYPE: dict[type[Any], Encoder] = {
    bytes: lambda o: o.decode(),
    Color: str,
    PyExtraColor: str,
    datetime.date: isoformat,
    datetime.datetime: isoformat,
    datetime.time: isoformat,
    datetime.timedelta: lambda td: td.total_seconds(),
    Decimal: decimal_encoder,
    Enum: lambda o: o.value,
    frozenset: list,
    deque: list,
    GeneratorType: list,
    IPv4Address: str,
    IPv4Interface: str,
    IPv4Network: str,
    IPv6Address: str,
    IPv6Interface: str,
    IPv6Network: str,
    NameEmail: str,
    Path: str,
    Pattern: lambda o: o.pattern,
    SecretBytes: str,
    SecretStr: str,
    set: list,
    UUID: str,
    Url: str,
    AnyUrl: str,
}


def generate_encoders_by_class_tuples(
    type_encoder_map: dict[Any, Encoder],
) -> dict[Encoder, tuple[Any, ...]]:
    """The same map the other way round: what each encoder is for."""
    groups: dict[Encoder, tuple[Any, ...]] = defaultdict(tuple)
    for type_, encoder in type_encoder_map.items():
        groups[encoder] += (type_,)
    return groups


encoders_by_class_tuples = generate_encoders_by_class_tuples(ENCODERS_BY_TYPE)

_LISTS = (list, set, frozenset, GeneratorType, tuple, deque)


def _as_set(value: IncEx | None) -> Any:
    return value if value is None or isinstance(value, (set, dict)) else set(value)


def jsonable_encoder(
    obj: Any,
    include: IncEx | None = None,
    exclude: IncEx | None = None,
    by_alias: bool = True,
    exclude_unset: bool = False,
    exclude_defaults: bool = False,
    exclude_none: bool = False,
    custom_encoder: dict[Any, Encoder] | None = None,
    sqlalchemy_safe: bool = True,
) -> Any:
    """
    Turn an object into dicts, lists, strings, numbers, booleans and None.

    Models, dataclasses, enums, dates, paths and the like are converted; what is
    not known is tried as a mapping, then by its attributes. `include` and
    `exclude` choose fields, the `exclude_*` options are Pydantic's, and
    `custom_encoder` maps types to functions that go first. With
    `sqlalchemy_safe` keys that start with `_sa` are left out.
    """
    rules: dict[str, Any] = {
        "by_alias": by_alias,
        "exclude_unset": exclude_unset,
        "exclude_defaults": exclude_defaults,
        "exclude_none": exclude_none,
        "custom_encoder": custom_encoder or {},
        "sqlalchemy_safe": sqlalchemy_safe,
    }
    return _encode(obj, _as_set(include), _as_set(exclude), rules)


def _custom(obj: Any, encoders: dict[Any, Encoder]) -> Encoder | None:
    if type(obj) in encoders:
        return encoders[type(obj)]
    for type_, encoder in encoders.items():
        if isinstance(obj, type_):
            return encoder
    return None


def _encode(obj: Any, include: Any, exclude: Any, rules: dict[str, Any]) -> Any:
    if rules["custom_encoder"]:
        encoder = _custom(obj, rules["custom_encoder"])
        if encoder is not None:
            return encoder(obj)
    if isinstance(obj, BaseModel):
        return _encode_model(obj, include, exclude, rules)
    if dataclasses.is_dataclass(obj):
        assert not isinstance(obj, type)
        return _encode(dataclasses.asdict(obj), include, exclude, rules)
    if isinstance(obj, Enum):
        return obj.value
    if isinstance(obj, PurePath):
        return str(obj)
    if obj is None or isinstance(obj, (str, int, float)):
        return obj
    if isinstance(obj, PydanticUndefinedType):
        return None
    if isinstance(obj, dict):
        return _encode_dict(obj, include, exclude, rules)
    if isinstance(obj, _LISTS):
        return [_encode(item, include, exclude, rules) for item in obj]
    return _encode_other(obj, include, exclude, rules)


def _encode_model(obj: BaseModel, include: Any, exclude: Any, rules: dict[str, Any]) -> Any:
    data = obj.model_dump(
        mode="json",
        include=include,
        exclude=exclude,
        by_alias=rules["by_alias"],
        exclude_unset=rules["exclude_unset"],
        exclude_none=rules["exclude_none"],
        exclude_defaults=rules["exclude_defaults"],
    )
    return jsonable_encoder(
        data,
        exclude_none=rules["exclude_none"],
        exclude_defaults=rules["exclude_defaults"],
        sqlalchemy_safe=rules["sqlalchemy_safe"],
    )


def _encode_dict(obj: dict[Any, Any], include: Any, exclude: Any, rules: dict[str, Any]) -> Any:
    keys = set(obj)
    if include is not None:
        keys &= set(include)
    if exclude is not None:
        keys -= set(exclude)
    result = {}
    for key, value in obj.items():
        if key not in keys or (value is None and rules["exclude_none"]):
            continue
        if rules["sqlalchemy_safe"] and isinstance(key, str) and key.startswith("_sa"):
            continue
        result[_encode(key, None, None, rules)] = _encode(value, None, None, rules)
    return result


def _encode_other(obj: Any, include: Any, exclude: Any, rules: dict[str, Any]) -> Any:
    if type(obj) in ENCODERS_BY_TYPE:
        return ENCODERS_BY_TYPE[type(obj)](obj)
    for encoder, classes in encoders_by_class_tuples.items():
        if isinstance(obj, classes):
            return encoder(obj)
    if is_pydantic_v1_instance(obj):
        raise PydanticV1NotSupportedError(
            f"pydantic.v1 models are no longer supported by FastAPI. Please update the model {obj!r}."
        )
    if is_struct_instance(obj):
        return _encode(to_plain(obj), sent_names(obj, include), sent_names(obj, exclude), rules)
    try:
        data = dict(obj)
    except Exception as not_mapping:
        try:
            data = attrs_fields(obj) if hasattr(type(obj), "__attrs_attrs__") else vars(obj)
        except Exception as no_attributes:
            raise ValueError([not_mapping, no_attributes]) from no_attributes
    return _encode(data, include, exclude, rules)
