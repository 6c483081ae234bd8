"""Forms and embedded bodies: from what was received to the values of body parameters."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from .. import params
from .._compile.aliases import param_aliases
from .._compile.annotations import (
    SEQUENCES,
    is_bytes,
    is_bytes_sequence,
    is_sequence_value,
    is_union,
)
from .._compile.bodies import form_models, should_embed
from .._compile.fields import (
    Errors,
    Loc,
    ModelField,
    Undefined,
    get_cached_model_fields,
    missing_error,
    validate_or_default,
)
from .._limits import FormLimits
from .params import multi_value, other_items


def _items(fields: list[ModelField], form: FormData) -> Iterator[tuple[str, Any, ModelField | None]]:
    """What a form holds: for each field the value under its first name, then the rest."""
    taken: set[str] = set()
    for field in fields:
        for alias, _ in param_aliases(field):
            taken.add(alias)
            value = multi_value(field, form, alias)
            if value is not Undefined:
                yield alias, value, field
                break
    for name, value in other_items(form, taken):
        yield name, value, None


async def _content(file: UploadFile) -> bytes:
    # Another parameter may read the same file: leave it where it was.
    position = file.file.tell()
    try:
        return await file.read()
    finally:
        await file.seek(position)


def _sequence_class(field: ModelField) -> type:
    annotation: Any = field.field_info.annotation
    origin: Any = get_origin(annotation) or annotation
    if is_union(annotation):
        for arg in get_args(annotation):
            if arg is not type(None):
                origin = get_origin(arg) or arg
                break
    return SEQUENCES[origin]


async def _read_form(fields: list[ModelField], form: FormData) -> AsyncIterator[tuple[str, Any, ModelField | None]]:
    """The same, with the content of files where bytes are wanted."""
    for alias, value, field in _items(fields, form):
        if field is not None and isinstance(field.field_info, params.File):
            annotation = field.field_info.annotation
            if is_bytes(annotation) and isinstance(value, UploadFile):
                value = await _content(value)
            elif is_bytes_sequence(annotation) and is_sequence_value(value):
                contents = [await _content(item) if isinstance(item, UploadFile) else item for item in value]
                value = _sequence_class(field)(contents)
        yield alias, value, field


def normalize_form_model(value: Any, *, model: type[BaseModel]) -> Any:
    """For one model of a union: what the raw form means for this one."""
    if not isinstance(value, dict):
        return value
    pairs = []
    for name, found in value.items():
        pairs += [(name, item) for item in (found if isinstance(found, list) else [found])]
    items = _items(get_cached_model_fields(model), FormData(pairs))
    result = {alias: item for alias, item, _ in items}
    for name, found in value.items():
        # No form has those, but a validator may have put them there.
        if found is None or (isinstance(found, list) and not found):
            result[name] = found
    return result


def _is_supplied(model: type[BaseModel], form: FormData) -> bool:
    names = {alias for field in get_cached_model_fields(model) for alias, _ in param_aliases(field)}
    takes_more = model.model_config.get("extra") in ("allow", "forbid")
    return bool(names.intersection(form) or (takes_more and form))


class BodyReader:
    """Reads a callable's body parameters from a form or from parsed JSON."""

    def __init__(self, fields: list[ModelField], embed: bool) -> None:
        self.fields = fields
        self.models = {field.name: form_models(field) for field in fields}
        self.single = len(fields) == 1 and not embed and not should_embed(fields) and not self.models[fields[0].name]

    async def __call__(self, body: Any) -> tuple[dict[str, Any], Errors]:
        found: dict[str, tuple[str, Any]] = {}
        if isinstance(body, FormData):
            form, body = body, {}
            plain = [field for field in self.fields if not self.models[field.name]]
            if plain:
                async for alias, value, field in _read_form(plain, form):
                    body[alias] = value
                    if field is not None:
                        found[field.name] = (alias, value)
        else:
            form = None
        if self.single:
            field = self.fields[0]
            value, errors = validate_or_default(field, body, ("body",))
            return {field.name: value}, errors
        values: dict[str, Any] = {}
        all_errors: Errors = []
        for field in self.fields:
            if form is not None:
                value, loc = await self._from_form(field, form, found)
            else:
                try:
                    value, loc = _from_object(field, body)
                except AttributeError:
                    loc = ("body", param_aliases(field)[0][0])
                    all_errors.append(missing_error(loc))
                    continue
            result, errors = validate_or_default(field, value, loc)
            if errors:
                all_errors += errors
            else:
                values[field.name] = result
        return values, all_errors

    async def _from_form(self, field: ModelField, form: FormData, found: dict[str, tuple[str, Any]]) -> tuple[Any, Loc]:
        models = self.models[field.name]
        if not models:
            first = param_aliases(field)[0][0]
            alias, value = found.get(field.name, (first, Undefined))
            return value, ("body", alias)
        optional = type(None) in get_args(field.field_info.annotation)
        if optional and not any(_is_supplied(model, form) for model in models):
            return Undefined, ("body",)
        # The models of a union each read the form for themselves.
        fields = get_cached_model_fields(models[0]) if len(models) == 1 else []
        return {alias: item async for alias, item, _ in _read_form(fields, form)}, ("body",)


def _from_object(field: ModelField, body: Any) -> tuple[Any, Loc]:
    names = [alias for alias, _ in param_aliases(field)]
    if body is not Undefined and not isinstance(body, bytes):
        for name in names:
            value = body.get(name, Undefined)
            if value is not Undefined:
                return value, ("body", name)
    return Undefined, ("body", names[0])


def pass_on_limits(scope: Scope, limits: Mapping[str, Any]) -> dict[str, Any]:
    """What a scope holds under "fastapi", with an application's limits for those mounted in it."""
    outer = scope.get("fastapi")
    outer = outer if isinstance(outer, dict) else {}
    return {**outer, "form_limits": {**outer.get("form_limits", {}), **limits}}


class LimitedForms:
    """A mount, as the executor sees it, that hands down its application's limits on forms."""

    def __init__(self, route: BaseRoute, limits: FormLimits) -> None:
        self.original_route = getattr(route, "original_route", route)
        self.handle = route.handle
        self._route = route
        self._limits = limits

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The mount's match."""
        match, child_scope = self._route.matches(scope)
        if match is not Match.NONE:
            own = child_scope.get("fastapi")
            passed = pass_on_limits(scope, cast(dict[str, Any], self._limits))
            child_scope = {**child_scope, "fastapi": {**passed, **(own if isinstance(own, dict) else {})}}
        return match, child_scope


async def parse_form(request: Request, route: Any) -> FormData:
    """Parse a request's form within the limits of applications, router and route."""
    limits: dict[str, Any] = {}
    outer = request.scope.get("fastapi")
    if isinstance(outer, dict):
        limits.update(outer.get("form_limits", {}))
    app = request.scope.get("app")
    if app is not None:
        limits.update(app.router.form_limits)
    limits.update(cast(dict[str, Any], route.form_limits or {}))
    return await request.form(**limits)
