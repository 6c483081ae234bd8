"""Parameters that one lookup does not get: models, several names, JSON in a parameter."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from starlette.datastructures import FormData, Headers, ImmutableMultiDict, UploadFile

from .. import params
from .._compile.aliases import is_json_field, param_aliases, param_model
from .._compile.annotations import is_sequence
from .._compile.fields import (
    Errors,
    ModelField,
    Undefined,
    get_cached_model_fields,
    validate_or_default,
)


def _is_no_file(value: Any) -> bool:
    """What a browser sends for a file input where nothing was chosen."""
    return isinstance(value, UploadFile) and value.filename == "" and value.size == 0


def multi_value(field: ModelField, values: Mapping[str, Any], alias: str) -> Any:
    """What a mapping holds for a field: one value, or all if it is a sequence."""
    repeated = is_sequence(field.field_info.annotation)
    is_form = isinstance(values, FormData)
    value: Any
    if repeated and not is_json_field(field) and isinstance(values, (ImmutableMultiDict, Headers)):
        value = values.getlist(alias)
        if is_form:
            value = [item for item in value if not _is_no_file(item)]
    else:
        value = values.get(alias, None)
    if value is None or (repeated and len(value) == 0):
        return Undefined
    if is_form and ((isinstance(value, str) and value == "") or _is_no_file(value)):
        return Undefined
    return value


def other_items(values: Mapping[str, Any], taken: set[str]) -> Iterator[tuple[str, Any]]:
    """What a mapping holds besides the names that were taken; repeated names as lists."""
    pairs: Any
    if isinstance(values, ImmutableMultiDict):
        pairs = values.multi_items()
    elif isinstance(values, Headers):
        pairs = values.items()
    else:
        for name in values:
            if name not in taken:
                yield name, values.get(name)
        return
    grouped: dict[str, list[Any]] = {}
    for name, value in pairs:
        if name not in taken:
            grouped.setdefault(name, []).append(value)
    for name, items in grouped.items():
        yield name, items[0] if len(items) == 1 else items


class ParamReader:
    """Reads one parameter from the mapping of its place: `(value, errors)`."""

    def __init__(self, field: ModelField, place: str) -> None:
        self.field = field
        self.place = place
        self.model = param_model(field)
        self.aliases = param_aliases(field)

    def __call__(self, values: Any, mapping: Mapping[str, Any]) -> tuple[Any, Errors]:
        if self.model is not None:
            return self._read_model(self.model, mapping)
        names = [name for _, name in self.aliases]
        alias = next((name for name in names if name in mapping), names[0])
        value = multi_value(self.field, mapping, alias)
        return validate_or_default(self.field, value, (self.place, alias))

    def _read_model(self, model: type[BaseModel], mapping: Mapping[str, Any]) -> tuple[Any, Errors]:
        is_headers = isinstance(mapping, Headers)
        hyphens = getattr(self.field.field_info, "convert_underscores", True)
        found: dict[str, Any] = {}
        renamed: dict[str, str] = {}
        taken: set[str] = set()
        own: set[str] = set()
        for field in get_cached_model_fields(model):
            convert = is_headers and getattr(field.field_info, "convert_underscores", hyphens)
            pairs = param_aliases(field, convert_underscores=convert)
            own.update(name.lower() if is_headers else name for _, name in pairs)
            alias, name = next((pair for pair in pairs if pair[1] in mapping), pairs[0])
            value = multi_value(field, mapping, name)
            if value is not Undefined:
                found[alias] = value
            if not is_headers:
                taken.add(name)
                continue
            taken.add(name.lower())
            # A name that was converted does not count as another header.
            taken.update(a.lower() for a, sent in pairs if a != sent)
            if alias != name:
                renamed[field.name] = name
        found.update(other_items(mapping, taken))
        value = found
        info = self.field.field_info
        assert isinstance(info, params.Param)
        takes_more = model.model_config.get("extra") in ("allow", "forbid") and found
        if info.annotation is not model and not own.intersection(mapping) and not takes_more:
            value = Undefined
        result, errors = validate_or_default(self.field, value, (self.place,))
        if renamed and model.model_config.get("loc_by_alias", True):
            for error in errors:
                loc = error["loc"]
                if len(loc) > 1 and loc[1] in renamed:
                    error["loc"] = (loc[0], renamed[loc[1]], *loc[2:])
        return result, errors
