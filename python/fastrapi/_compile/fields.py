"""Fields: a Pydantic FieldInfo with a name and the validator built from it."""

import warnings
from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, TypedDict, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic.warnings import UnsupportedFieldAttributeWarning
from pydantic_core import PydanticUndefined
from typing_extensions import Unpack

from .._signature import Options, spelled
from ..types import IncEx
from .annotations import annotation_is_pydantic_v1 as annotation_is_pydantic_v1
from .annotations import lenient_issubclass
from .structs import has_structs, with_structs

Undefined = PydanticUndefined
RequiredParam = PydanticUndefined

Errors = list[dict[str, Any]]
Loc = tuple[int | str, ...]

# What a FieldInfo says besides its type and the metadata of that.
_ATTRIBUTES = tuple(
    name for name in FieldInfo.__slots__ if not name.startswith("_") and name not in ("annotation", "metadata")
)


class DumpOptions(TypedDict):
    """What of a model is sent; Pydantic's names."""

    include: IncEx | None
    exclude: IncEx | None
    by_alias: bool
    exclude_unset: bool
    exclude_defaults: bool
    exclude_none: bool


_DUMP = Options(
    DumpOptions,
    {
        "include": None,
        "exclude": None,
        "by_alias": True,
        "exclude_unset": False,
        "exclude_defaults": False,
        "exclude_none": False,
    },
)


def _attributes(info: FieldInfo) -> dict[str, Any]:
    values = {name: getattr(info, name, Undefined) for name in _ATTRIBUTES}
    return {name: value for name, value in values.items() if value is not Undefined}


def _marked(info: FieldInfo) -> Any:
    """A field's type, with marks where it is msgspec's."""
    if info.metadata and not has_structs(Annotated[(info.annotation, *info.metadata)]):
        return info.annotation
    return with_structs(info.annotation)


def prefixed(errors: Sequence[Any], loc: Loc) -> Errors:
    """The same errors, found below `loc`."""
    return [{**error, "loc": loc + tuple(error.get("loc", ()))} for error in errors]


def missing_error(loc: Loc) -> dict[str, Any]:
    """The error of a required value that is not there."""
    exc = ValidationError.from_exception_data("Field required", [{"type": "missing", "loc": loc, "input": {}}])
    return {**exc.errors(include_url=False)[0], "input": None}


@dataclass
class ModelField:
    """One parameter, body field or response."""

    field_info: FieldInfo
    name: str
    mode: Literal["validation", "serialization"] = "validation"
    config: ConfigDict | None = None

    def __post_init__(self) -> None:
        # A fresh Field() has the attributes without the metadata they came from,
        # which would else be applied twice.
        rest = Field(**_attributes(self.field_info))
        args = (_marked(self.field_info), *self.field_info.metadata, rest)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UnsupportedFieldAttributeWarning)
            self._type_adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, Annotated[args]), config=self.config)

    @property
    def alias(self) -> str:
        alias = self.field_info.alias
        return self.name if alias is None else alias

    @property
    def validation_alias(self) -> str | None:
        alias = self.field_info.validation_alias
        return alias if isinstance(alias, str) and alias else None

    @property
    def serialization_alias(self) -> str | None:
        return self.field_info.serialization_alias or None

    @property
    def default(self) -> Any:
        return self.get_default()

    def get_default(self) -> Any:
        if self.field_info.is_required():
            return Undefined
        return self.field_info.get_default(call_default_factory=True)

    def validate(self, value: Any, values: dict[str, Any] = {}, *, loc: Loc = ()) -> tuple[Any, Errors]:  # noqa: B006
        """The validated value and no errors, or None and what is wrong."""
        try:
            return self._type_adapter.validate_python(value, from_attributes=True), []
        except ValidationError as exc:
            return None, prefixed(exc.errors(include_url=False), loc)

    @spelled(_DUMP, fill=True)
    def serialize(
        self, value: Any, *, mode: Literal["json", "python"] = "json", **options: Unpack[DumpOptions]
    ) -> Any:
        """A validated value as plain data."""
        return self._type_adapter.dump_python(value, mode=mode, **options)

    @spelled(_DUMP, fill=True)
    def serialize_json(self, value: Any, **options: Unpack[DumpOptions]) -> bytes:
        """A validated value as JSON."""
        return self._type_adapter.dump_json(value, **options)

    def __hash__(self) -> int:
        return id(self)


def validate_or_default(field: ModelField, value: Any, loc: Loc) -> tuple[Any, Errors]:
    """Validate what a request had for a field; Undefined: it had nothing."""
    if value is Undefined:
        if field.field_info.is_required():
            return None, [missing_error(loc)]
        value = deepcopy(field.default)
        if not field.field_info.validate_default:
            return value, []
    return field.validate(value, loc=loc)


def copy_field_info(*, field_info: FieldInfo, annotation: Any) -> FieldInfo:
    """A copy of a declaration, merged with what its Annotated type says."""
    merged = type(field_info).from_annotation(annotation)
    result = copy(field_info)
    for name, value in _attributes(merged).items():
        setattr(result, name, value)
    result._attributes_set = merged._attributes_set.copy()
    result.metadata = merged.metadata
    result.annotation = merged.annotation
    return result


def create_body_model(
    *, fields: Sequence[ModelField], model_name: str, config: ConfigDict | None = None
) -> type[BaseModel]:
    """A model with one field for each body parameter."""
    members: dict[str, Any] = {f.name: (_marked(f.field_info), f.field_info) for f in fields}
    return create_model(model_name, __config__=config, **members)


def get_model_fields(model: type[BaseModel]) -> list[ModelField]:
    """A model's fields, each with a validator of its own."""
    fields = []
    for name, info in model.model_fields.items():
        own = info.annotation
        has_config = lenient_issubclass(own, (BaseModel, dict)) or is_dataclass(own)
        config = None if has_config else model.model_config
        fields.append(ModelField(field_info=info, name=name, config=config))
    return fields


@lru_cache
def get_cached_model_fields(model: type[BaseModel]) -> list[ModelField]:
    return get_model_fields(model)
