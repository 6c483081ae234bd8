"""JSON schemas of fields and models."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import CoreRef, DefsRef, JsonSchemaValue
from pydantic.json_schema import GenerateJsonSchema as _Generate
from pydantic_core import CoreSchema

from .._compile.annotations import lenient_issubclass
from .._compile.fields import ModelField
from .._compile.structs import COMPONENTS
from .constants import REF_TEMPLATE

Mode = Literal["validation", "serialization"]


class GenerateJsonSchema(_Generate):
    """Describes bytes by their media type, as uploads are, and has msgspec describe its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Definitions by msgspec: the same for what is received and what is sent.
        self._by_msgspec: dict[CoreRef, tuple[DefsRef, JsonSchemaValue]] = {}

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """A schema as JSON schema."""
        described = schema.get("metadata", {}).get(COMPONENTS)
        return super().generate_inner(schema) if described is None else self._components(*described)

    def _components(self, schema: JsonSchemaValue, components: dict[str, Any]) -> JsonSchemaValue:
        """msgspec's schema, what it refers to being definitions of this document."""
        refs: dict[str, str] = {}
        definitions = {}
        for name in components:
            # Equal ones of several fields are one definition.
            parts = {used: components[used] for used in sorted(_used(name, components, set()))}
            text = json.dumps(parts, sort_keys=True, default=repr)
            core_ref = CoreRef(f"msgspec.{name}:{hashlib.sha256(text.encode()).hexdigest()[:16]}")
            if core_ref not in self._by_msgspec:
                self._by_msgspec[core_ref] = self.get_cache_defs_ref_schema(core_ref)
            definitions[name], ref = self._by_msgspec[core_ref]
            refs[name] = ref["$ref"]
        for name, component in components.items():
            self.definitions[definitions[name]] = _referring(component, refs)
        return cast(JsonSchemaValue, _referring(schema, refs))

    def bytes_schema(self, schema: CoreSchema) -> JsonSchemaValue:
        """A string of octets."""
        result: dict[str, Any] = {"type": "string", "contentMediaType": "application/octet-stream"}
        serializes = self.mode == "serialization"
        mode = self._config.ser_json_bytes if serializes else self._config.val_json_bytes
        if mode == "base64":
            result["contentEncoding"] = "base64"
        self.update_with_validations(result, schema, self.ValidationsMapping.bytes)
        return result


def _names(schema: Any) -> Iterable[str]:
    """What a schema of msgspec refers to."""
    if isinstance(schema, list):
        for item in schema:
            yield from _names(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for item in schema.values():
            yield from _names(item)


def _used(name: str, components: dict[str, Any], found: set[str]) -> set[str]:
    """A component and all below it."""
    if name in components and name not in found:
        found.add(name)
        for inner in _names(components[name]):
            _used(inner, components, found)
    return found


def _referring(schema: Any, refs: dict[str, str]) -> Any:
    """The schema with other references: in `$ref`, and in the mapping of a discriminator."""
    if isinstance(schema, list):
        return [_referring(item, refs) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _referring(value, refs) for key, value in schema.items()}
    if schema.get("$ref") in refs:
        result["$ref"] = refs[schema["$ref"]]
    if isinstance(schema.get("discriminator"), dict):
        mapping = schema["discriminator"].get("mapping", {})
        result["discriminator"]["mapping"] = {tag: refs.get(name, name) for tag, name in mapping.items()}
    return result


def _annotations(model: type[BaseModel]) -> Iterable[Any]:
    return (info.annotation for info in model.model_fields.values())


def _collect(annotation: Any, found: dict[Any, None]) -> None:
    """Note the models and enums that an annotation is made of, and what those are made of."""
    if lenient_issubclass(annotation, (BaseModel, Enum)):
        if annotation not in found:
            found[annotation] = None
            if lenient_issubclass(annotation, BaseModel):
                for inner in _annotations(annotation):
                    _collect(inner, found)
    elif get_origin(annotation) is not None:
        for arg in get_args(annotation):
            _collect(arg, found)


def _has_computed(annotation: Any, seen: set[Any]) -> bool:
    if lenient_issubclass(annotation, BaseModel):
        if annotation in seen:
            return False
        seen.add(annotation)
        return bool(annotation.model_computed_fields) or any(_has_computed(a, seen) for a in _annotations(annotation))
    return any(_has_computed(arg, seen) for arg in get_args(annotation))


def has_computed_fields(field: ModelField) -> bool:
    """Whether what is sent has more than what is received, whatever is asked for."""
    schema = field._type_adapter.core_schema
    inner = schema.get("schema", {})
    if is_dataclass(field.field_info.annotation) and inner.get("computed_fields"):
        return True
    return bool(inner.get("computed_fields")) or _has_computed(field.field_info.annotation, set())


class Schemas:
    """The schemas of all fields of an application, and the definitions that they refer to."""

    def __init__(self, fields: Sequence[ModelField], separate: bool) -> None:
        self._separate = separate
        types = {field.field_info.annotation for field in fields}
        all_fields = list(fields)
        modes: tuple[Mode, ...] = ("validation", "serialization")
        for mode in modes:
            models: dict[Any, None] = {}
            for field in fields:
                if field.mode == mode:
                    _collect(field.field_info.annotation, models)
            all_fields += [
                ModelField(field_info=FieldInfo(annotation=model), name=model.__name__, mode=mode)
                for model in models
                if model not in types
            ]
        inputs = [(field, self._mode(field), field._type_adapter.core_schema) for field in all_fields]
        self._mapping, definitions = GenerateJsonSchema(ref_template=REF_TEMPLATE).generate_definitions(
            inputs=cast(Any, inputs)
        )
        self.definitions = cast(dict[str, dict[str, Any]], definitions)
        for definition in self.definitions.values():
            if "description" in definition:
                definition["description"] = definition["description"].split("\f")[0]

    def _mode(self, field: ModelField) -> Mode:
        return field.mode if self._separate or has_computed_fields(field) else "validation"

    def of(self, field: ModelField, alias: str | None = None) -> dict[str, Any]:
        """The schema of one field, with a title if it is not a reference."""
        schema: dict[str, Any] = dict(self._mapping[(cast(Any, field), self._mode(field))])
        if "$ref" not in schema:
            if alias is None:
                own = field.validation_alias if field.mode == "validation" else field.serialization_alias
                alias = own or field.alias
            schema["title"] = field.field_info.title or alias.title().replace("_", " ")
        return schema
