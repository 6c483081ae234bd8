"""
What a parameter's declaration says: the classes behind Path(), Query() and so on.

Applications call the functions in `param_functions`; plugins look for these
classes in signatures.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, TypedDict, Unpack

from pydantic import AliasChoices, AliasPath, Discriminator
from pydantic.fields import FieldInfo
from typing_extensions import deprecated as _deprecated

from ._compile.diagnostics import note_caller
from ._compile.fields import Undefined
from ._signature import Options, spelled
from .concurrency import _DependencyConcurrency
from .datastructures import _Unset
from .exceptions import FastAPIDeprecationWarning
from .openapi.models import Example


class ParamTypes(Enum):
    """Where in a request a parameter is."""

    query = "query"
    header = "header"
    path = "path"
    cookie = "cookie"


class FieldOptions(TypedDict, total=False):
    """Every option that some kind of parameter takes."""

    default_factory: Callable[[], Any] | None
    annotation: Any | None
    embed: bool | None
    media_type: str
    alias: str | None
    alias_priority: int | None
    validation_alias: str | AliasPath | AliasChoices | None
    serialization_alias: str | None
    convert_underscores: bool
    title: str | None
    description: str | None
    gt: float | None
    ge: float | None
    lt: float | None
    le: float | None
    min_length: int | None
    max_length: int | None
    pattern: str | re.Pattern[str] | None
    regex: str | None
    discriminator: str | Discriminator | None
    strict: bool | None
    validate_default: bool | None
    union_mode: Literal["smart", "left_to_right"] | None
    fail_fast: bool | None
    multiple_of: float | None
    allow_inf_nan: bool | None
    max_digits: int | None
    decimal_places: int | None
    examples: list[Any] | None
    example: Any | None
    openapi_examples: dict[str, Example] | None
    deprecated: _deprecated | str | bool | None
    include_in_schema: bool
    json_schema_extra: dict[str, Any] | Callable[[dict[str, Any]], None] | None


FIELD_OPTIONS = Options(
    FieldOptions,
    {
        "default_factory": _Unset,
        "annotation": None,
        "embed": None,
        "media_type": "application/json",
        "alias": _Unset,
        "alias_priority": _Unset,
        "validation_alias": _Unset,
        "serialization_alias": _Unset,
        "convert_underscores": True,
        "title": _Unset,
        "description": _Unset,
        "gt": None,
        "ge": None,
        "lt": None,
        "le": None,
        "min_length": None,
        "max_length": None,
        "pattern": None,
        "regex": None,
        "discriminator": _Unset,
        "strict": _Unset,
        "validate_default": _Unset,
        "union_mode": _Unset,
        "fail_fast": _Unset,
        "multiple_of": _Unset,
        "allow_inf_nan": _Unset,
        "max_digits": _Unset,
        "decimal_places": _Unset,
        "examples": _Unset,
        "example": _Unset,
        "openapi_examples": None,
        "deprecated": _Unset,
        "include_in_schema": True,
        "json_schema_extra": _Unset,
    },
)


def option_names(*special: str) -> list[str]:
    """The options of one kind of parameter: the common ones, and the named others."""
    others = {"annotation", "embed", "media_type", "convert_underscores"} - set(special)
    return [name for name in FIELD_OPTIONS.defaults if name not in others]


PARAM_NAMES = option_names("annotation")
HEADER_NAMES = option_names("annotation", "convert_underscores")
BODY_NAMES = option_names("annotation", "embed", "media_type")
FORM_NAMES = option_names("annotation", "media_type")

FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"
FILE_MEDIA_TYPE = "multipart/form-data"


def _warn_deprecated(name: str, instead: str) -> None:
    warnings.warn(
        f"`{name}` has been deprecated, please use `{instead}` instead",
        category=FastAPIDeprecationWarning,
        stacklevel=6,
    )


class _Declared(FieldInfo):  # type: ignore[misc]
    """What all parameters share: Pydantic's field, and what only OpenAPI reads."""

    example: Any
    include_in_schema: bool
    openapi_examples: dict[str, Example] | None

    def _declare(self, default: Any, options: dict[str, Any]) -> None:
        for name in ("include_in_schema", "openapi_examples"):
            setattr(self, name, options.pop(name))
        self.example = options.pop("example")
        if self.example is not _Unset:
            _warn_deprecated("example", "examples")
        regex = options.pop("regex")
        if regex is not None:
            _warn_deprecated("regex", "pattern")
        options["pattern"] = options["pattern"] or regex
        alias = options["alias"]
        if options["serialization_alias"] in (_Unset, None) and isinstance(alias, str):
            options["serialization_alias"] = alias
        if options["validation_alias"] in (_Unset, None):
            options["validation_alias"] = alias
        given = {name: value for name, value in options.items() if value is not _Unset}
        FieldInfo.__init__(self, default=default, **given)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.default})"


class Param(_Declared):  # type: ignore[misc]
    """A parameter outside the body."""

    in_: ParamTypes

    @spelled(FIELD_OPTIONS, PARAM_NAMES, fill=True)
    def __init__(self, default: Any = Undefined, **options: Unpack[FieldOptions]) -> None:
        self._declare(default, dict(options))


class Path(Param):  # type: ignore[misc]
    """A parameter from the path."""

    in_ = ParamTypes.path

    @spelled(FIELD_OPTIONS, PARAM_NAMES, fill=True)
    def __init__(self, default: Any = ..., **options: Unpack[FieldOptions]) -> None:
        if default is not ...:
            exc = AssertionError("Path parameters cannot have a default value")
            note_caller(exc)
            raise exc
        self.in_ = ParamTypes.path
        self._declare(default, dict(options))


class Query(Param):  # type: ignore[misc]
    """A parameter from the query string."""

    in_ = ParamTypes.query


class Header(Param):  # type: ignore[misc]
    """A parameter from a header field; underscores become hyphens unless told otherwise."""

    in_ = ParamTypes.header

    @spelled(FIELD_OPTIONS, HEADER_NAMES, fill=True)
    def __init__(self, default: Any = Undefined, **options: Unpack[FieldOptions]) -> None:
        rest: dict[str, Any] = dict(options)
        self.convert_underscores = rest.pop("convert_underscores")
        self._declare(default, rest)


class Cookie(Param):  # type: ignore[misc]
    """A parameter from a cookie."""

    in_ = ParamTypes.cookie


class Body(_Declared):  # type: ignore[misc]
    """The body of a request, or one field of it."""

    @spelled(FIELD_OPTIONS, BODY_NAMES, fill=True)
    def __init__(self, default: Any = Undefined, **options: Unpack[FieldOptions]) -> None:
        rest: dict[str, Any] = dict(options)
        self.embed = rest.pop("embed")
        self.media_type = rest.pop("media_type")
        self._declare(default, rest)


class Form(Body):  # type: ignore[misc]
    """One field of a form."""

    @spelled(FIELD_OPTIONS, FORM_NAMES, fill=True, media_type=FORM_MEDIA_TYPE)
    def __init__(self, default: Any = Undefined, **options: Unpack[FieldOptions]) -> None:
        rest: dict[str, Any] = dict(options)
        self.embed = None
        self.media_type = rest.pop("media_type")
        self._declare(default, rest)


class File(Form):  # type: ignore[misc]
    """A file of a form."""

    @spelled(FIELD_OPTIONS, FORM_NAMES, fill=True, media_type=FILE_MEDIA_TYPE)
    def __init__(self, default: Any = Undefined, **options: Unpack[FieldOptions]) -> None:
        rest: dict[str, Any] = dict(options)
        self.embed = None
        self.media_type = rest.pop("media_type")
        self._declare(default, rest)


@dataclass(frozen=True)
class Depends:
    """A parameter that a function provides."""

    dependency: Callable[..., Any] | None = None
    use_cache: bool = True
    scope: Literal["function", "request"] | None = None
    max_concurrency: int | None = field(default=None, kw_only=True)
    _concurrency: _DependencyConcurrency | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        limit = self.max_concurrency
        if limit is None:
            object.__setattr__(self, "_concurrency", None)
            return
        if type(limit) is not int or limit < 1:
            raise ValueError("max_concurrency must be a positive integer or None")
        if self._concurrency is None or self._concurrency.max_concurrency != limit:
            object.__setattr__(self, "_concurrency", _DependencyConcurrency(limit))


@dataclass(frozen=True)
class Security(Depends):
    """A dependency that needs scopes."""

    scopes: Sequence[str] | None = None
