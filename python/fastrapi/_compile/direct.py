"""
Proofs about validators, by a walk over their core schema.

Both walks know a few kinds of schema and say no to everything else: a no only
costs time, a wrong yes would change an answer.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

# Keys that change nothing of what is accepted.
_INERT = {"type", "metadata", "serialization", "ref"}


def _bare(schema: Schema, *also: str) -> bool:
    return set(schema) <= _INERT | set(also) and not schema.get("strict")


def _peeled(schema: Schema) -> Schema:
    """What a value that is there goes through: no default, no None."""
    while True:
        kind = schema["type"]
        if (kind == "default" and schema.get("on_error", "raise") == "raise") or (
            kind == "nullable" and not schema.get("strict")
        ):
            schema = schema["schema"]
        else:
            return schema


def fast_kind(schema: Schema) -> str:
    """`str` or `int` when C may convert a text by itself, else `none`."""
    inner = _peeled(schema)
    if inner["type"] in ("str", "int") and _bare(inner, "strict"):
        return str(inner["type"])
    return "none"


class _Direct:
    """Whether validating JSON text equals validating what json.loads() makes of it."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.definitions = definitions
        self.busy: set[str] = set()

    def proves(self, schema: Schema) -> bool:
        test = getattr(self, "_" + schema["type"].replace("-", "_"), None)
        return bool(test is not None and test(schema))

    # Numbers and strings: constraints see the same value either way.

    def _any(self, schema: Schema) -> bool:
        return _bare(schema)

    def _bool(self, schema: Schema) -> bool:
        return _bare(schema, "strict")

    def _int(self, schema: Schema) -> bool:
        return _bare(schema, "strict", "ge", "gt", "le", "lt", "multiple_of")

    def _float(self, schema: Schema) -> bool:
        limits = ("ge", "gt", "le", "lt", "multiple_of")
        return _bare(schema, "strict", "allow_inf_nan", *limits)

    def _str(self, schema: Schema) -> bool:
        return _bare(
            schema,
            "strict",
            "min_length",
            "max_length",
            "pattern",
            "regex_engine",
            "strip_whitespace",
            "to_lower",
            "to_upper",
        )

    # What holds others.

    def _nullable(self, schema: Schema) -> bool:
        return _bare(schema, "schema", "strict") and self.proves(schema["schema"])

    def _default(self, schema: Schema) -> bool:
        names = ("schema", "default", "default_factory", "default_factory_takes_data")
        known = _bare(schema, *names, "on_error", "validate_default", "copy_default", "strict")
        return known and schema.get("on_error", "raise") == "raise" and self.proves(schema["schema"])

    def _list(self, schema: Schema) -> bool:
        known = _bare(schema, "items_schema", "min_length", "max_length", "strict", "fail_fast")
        return known and ("items_schema" not in schema or self.proves(schema["items_schema"]))

    def _dict(self, schema: Schema) -> bool:
        if not _bare(schema, "keys_schema", "values_schema", "min_length", "max_length", "strict"):
            return False
        keys = schema.get("keys_schema", {"type": "any"})
        if keys["type"] not in ("any", "str") or not _bare(keys, "strict"):
            return False
        return "values_schema" not in schema or self.proves(schema["values_schema"])

    def _model(self, schema: Schema) -> bool:
        names = (
            "cls",
            "schema",
            "config",
            "custom_init",
            "root_model",
            "frozen",
            "revalidate_instances",
        )
        known = _bare(schema, *names, "generic_origin", "post_init", "strict")
        if not known or schema.get("custom_init") or schema.get("root_model"):
            return False
        if not _plain_config(schema.get("config")):
            return False
        return self.proves(schema["schema"])

    def _model_fields(self, schema: Schema) -> bool:
        names = ("fields", "model_name", "computed_fields", "extra_behavior")
        if not _bare(schema, *names):
            return False
        return all(set(field) <= _FIELD_KEYS and self.proves(field["schema"]) for field in schema["fields"].values())

    def _definitions(self, schema: Schema) -> bool:
        return self.proves(schema["schema"])

    def _definition_ref(self, schema: Schema) -> bool:
        name = schema["schema_ref"]
        if name in self.busy:
            return True
        if name not in self.definitions or not _bare(schema, "schema_ref"):
            return False
        self.busy.add(name)
        return self.proves(self.definitions[name])


_FIELD_KEYS = {
    "type",
    "schema",
    "validation_alias",
    "serialization_alias",
    "serialization_exclude",
    "frozen",
    "metadata",
}

# Settings that change how plain types read their input are left to the slow way.
_CONFIG_KEYS = {
    "title",
    "extra_fields_behavior",
    "populate_by_name",
    "validate_by_name",
    "validate_by_alias",
    "serialize_by_alias",
    "from_attributes",
    "loc_by_alias",
    "str_strip_whitespace",
    "str_to_lower",
    "str_to_upper",
    "str_min_length",
    "str_max_length",
    "validate_default",
    "validation_error_cause",
    "hide_input_in_errors",
    "ser_json_timedelta",
    "ser_json_bytes",
    "ser_json_inf_nan",
}


def _plain_config(config: Schema | None) -> bool:
    return config is None or all(key in _CONFIG_KEYS for key in config)


def is_direct(schema: Schema) -> bool:
    """Whether the validator may be given the body's bytes."""
    definitions: dict[str, Schema] = {}
    if schema["type"] == "definitions":
        definitions = {inner["ref"]: inner for inner in schema["definitions"]}
    # A lone scalar is no body worth the proof, and its default would need care.
    inner = schema
    while inner["type"] in ("default", "definitions"):
        inner = inner["schema"]
    return inner["type"] != "any" and _Direct(definitions).proves(schema)
