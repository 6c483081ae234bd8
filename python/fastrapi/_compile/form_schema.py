"""
The JSON schema of a form that several parameters read.

Each parameter is a property, and the fields of each form model belong to the
form itself; so the models stand in an `allOf` beside the properties.
"""

from collections.abc import Sequence
from copy import copy, deepcopy
from functools import partial
from typing import Annotated, Any, Optional, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, GetJsonSchemaHandler, GetPydanticSchema
from pydantic_core import CoreSchema

from .aliases import param_aliases
from .bodies import form_models
from .dependant import model_of
from .fields import ModelField, create_body_model, get_cached_model_fields

JsonSchema = dict[str, Any]


def _form_names(model: type[BaseModel]) -> dict[str, list[str]]:
    """By the name that Pydantic describes a field with: the names that a form may have for it."""
    names = {}
    for field in get_cached_model_fields(model):
        alias = field.field_info.validation_alias
        if isinstance(alias, AliasChoices):
            described = alias.choices[0]
        else:
            described = alias or field.field_info.alias or field.name
        if isinstance(described, str):
            names[described] = [name for name, _ in param_aliases(field)]
    return names


def _model_schema(model: type[BaseModel], core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
    reference = handler(core)
    shared = handler.resolve_ref_schema(reference)
    required = shared.get("required", [])
    differing = {
        described: names
        for described, names in _form_names(model).items()
        if described in shared.get("properties", {})
        and (names[0] != described or (described in required and len(names) > 1))
    }
    if not differing:
        return reference
    # The model is described elsewhere too, by its own names.
    schema: JsonSchema = deepcopy(shared)
    schema["properties"] = {differing.get(key, [key])[0]: value for key, value in schema["properties"].items()}
    schema["required"] = []
    for key in required:
        names = differing.get(key, [key])
        if len(names) == 1:
            schema["required"].append(names[0])
        else:
            one_of_them = {"anyOf": [{"required": [name]} for name in names]}
            schema.setdefault("allOf", []).append(one_of_them)
    return schema


def _nothing_of(models: list[type[BaseModel]]) -> JsonSchema:
    """What a form without any of these models is like."""
    if any(model.model_config.get("extra") in ("allow", "forbid") for model in models):
        return {"maxProperties": 0}
    fields = [field for model in models for field in get_cached_model_fields(model)]
    names = {name for field in fields for name, _ in param_aliases(field)}
    return {"not": {"anyOf": [{"required": [name]} for name in sorted(names)]}} if names else {}


def _group_conditions(param: ModelField, models: list[type[BaseModel]], schema: JsonSchema) -> list[JsonSchema]:
    schema.pop("default", None)
    if type(None) not in get_args(param.field_info.annotation):
        return [schema]
    # A form has no null: without the fields there is no model.
    schema["anyOf"] = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
    absent = _nothing_of(models)
    if param.field_info.is_required():
        return [{"not": absent}, schema]
    return [{"anyOf": [absent, schema]}]


def _describe(params: Sequence[ModelField], schema: JsonSchema) -> None:
    described = schema.pop("properties")
    schema.pop("required", None)
    properties: JsonSchema = {}
    required: dict[str, None] = {}
    conditions: list[JsonSchema] = []
    for index, param in enumerate(params):
        own = described[_name(index)]
        models = form_models(param)
        if models:
            conditions += _group_conditions(param, models, own)
            continue
        alias = param_aliases(param)[0][0]
        if alias in properties:
            conditions.append({"properties": {alias: own}})
        else:
            properties[alias] = own
        if param.field_info.is_required():
            required[alias] = None
    if properties:
        schema["properties"] = properties
    if required:
        schema["required"] = list(required)
    schema["allOf"] = conditions


def _name(index: int) -> str:
    # Parameters may have the same name when each is a model of its own.
    return f"field_{index}"


def _member(index: int, param: ModelField) -> ModelField:
    info = copy(param.field_info)
    model = model_of(info.annotation)
    if model is not None and form_models(param):
        hook = GetPydanticSchema(get_pydantic_json_schema=partial(_model_schema, model))
        described: Any = Annotated[model, hook]
        info.annotation = described if info.annotation is model else Optional[described]  # noqa: UP045
    info.alias = info.validation_alias = info.serialization_alias = _name(index)
    info.title = info.title or param.name.replace("_", " ").title()
    return ModelField(name=_name(index), field_info=info)


def form_body_model(params: Sequence[ModelField], model_name: str) -> type[BaseModel]:
    """A model that stands for the form, to be described only."""
    members = [_member(index, param) for index, param in enumerate(params)]
    config = ConfigDict(json_schema_extra=partial(_describe, params))
    return create_body_model(fields=members, model_name=model_name, config=config)
