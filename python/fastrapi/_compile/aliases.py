"""The names under which a request may hold a field, and the models among fields."""

from typing import cast

from pydantic import AliasChoices, AliasPath, BaseModel, Json

from .. import params
from .annotations import lenient_issubclass
from .dependant import model_of
from .fields import ModelField


def is_json_field(field: ModelField) -> bool:
    """Whether the value is JSON text, to be parsed by Pydantic."""
    return any(type(item) is Json for item in field.field_info.metadata)


def param_model(field: ModelField) -> type[BaseModel] | None:
    """The model whose fields are parameters, if the parameter is one."""
    annotation = field.field_info.annotation
    if isinstance(field.field_info, (params.Query, params.Header, params.Cookie)):
        annotation = model_of(annotation)
    if lenient_issubclass(annotation, BaseModel) and not is_json_field(field):
        return annotation
    return None


def validation_name(field: ModelField) -> str:
    return field.validation_alias or field.alias


def param_aliases(field: ModelField, *, convert_underscores: bool = False) -> list[tuple[str, str]]:
    """Pairs of a name for validation and the name in the request, the preferred ones first."""
    alias = validation_name(field)
    hyphens = convert_underscores
    sent = alias.replace("_", "-") if hyphens and alias == field.name else alias
    declared = field.field_info.validation_alias
    if isinstance(field.field_info, params.Path) or isinstance(declared, AliasPath):
        return [(alias, sent)]
    pairs = [(alias, sent)]
    if isinstance(declared, AliasChoices):
        if any(isinstance(choice, AliasPath) for choice in declared.choices):
            return pairs
        pairs = [(choice, choice) for choice in cast(list[str], declared.choices)]
    config = field.config or {}
    only_name = config.get("validate_by_alias") is False
    if only_name or config.get("validate_by_name", config.get("populate_by_name", False)):
        by_name = (field.name, field.name.replace("_", "-") if hyphens else field.name)
        if only_name:
            return [by_name]
        if field.name not in [name for name, _ in pairs]:
            pairs.append(by_name)
    return pairs
