"""The description of one route."""

import copy
import http.client
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

from starlette.responses import JSONResponse

from .. import params
from .._compile.aliases import param_aliases, param_model
from .._compile.annotations import lenient_issubclass
from .._compile.dependant import Dependant, _unwrapped, cache_key, oauth_scopes
from .._compile.fields import ModelField, get_cached_model_fields
from .._route import RouteState, given
from ..datastructures import _Unset
from ..encoders import jsonable_encoder
from ..exceptions import FastAPIDeprecationWarning
from ..security.base import SecurityBase
from ..sse import _SSE_EVENT_SCHEMA
from ..utils import deep_dict_update, generate_operation_id_for_path, is_body_allowed_for_status_code
from .constants import METHODS_WITH_BODY, REF_PREFIX
from .schemas import Schemas

validation_error_definition: dict[str, Any] = {
    "title": "ValidationError",
    "type": "object",
    "properties": {
        "loc": {
            "title": "Location",
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        },
        "msg": {"title": "Message", "type": "string"},
        "type": {"title": "Error Type", "type": "string"},
        "input": {"title": "Input"},
        "ctx": {"title": "Context", "type": "object"},
    },
    "required": ["loc", "msg", "type"],
}

validation_error_response_definition: dict[str, Any] = {
    "title": "HTTPValidationError",
    "type": "object",
    "properties": {
        "detail": {
            "title": "Detail",
            "type": "array",
            "items": {"$ref": REF_PREFIX + "ValidationError"},
        }
    },
}

status_code_ranges = {
    "1XX": "Information",
    "2XX": "Success",
    "3XX": "Redirection",
    "4XX": "Client Error",
    "5XX": "Server Error",
    "DEFAULT": "Default Response",
}


def distinct_dependants(dependant: Dependant) -> Iterator[tuple[Dependant, list[str]]]:
    """A dependant and those below it, each once, with the scopes asked for on the way."""
    seen: list[Any] = []

    def walk(current: Dependant, above: list[str]) -> Iterator[tuple[Dependant, list[str]]]:
        key = cache_key(current)
        if key in seen:
            return
        seen.append(key)
        scopes = [*above, *(scope for scope in oauth_scopes(current) if scope not in above)]
        yield current, scopes
        for sub in current.dependencies:
            yield from walk(sub, scopes)

    return walk(dependant, [])


def flat_params(field: ModelField) -> list[ModelField]:
    """A parameter, or the fields of a parameter model."""
    model = param_model(field)
    return [field] if model is None else get_cached_model_fields(model)


def generate_operation_id(*, route: RouteState, method: str) -> str:
    """Deprecated: the operation id that a route was given, or one made of name, path and method."""
    warnings.warn("Use a route's unique_id.", category=FastAPIDeprecationWarning, stacklevel=2)
    return route.operation_id or generate_operation_id_for_path(
        name=route.name, path=route.path_format, method=method
    )


def generate_operation_summary(*, route: RouteState, method: str) -> str:
    """A route's summary, or one made of its name."""
    return route.summary or route.name.replace("_", " ").title()


def get_openapi_operation_metadata(*, route: RouteState, method: str, operation_ids: set[str]) -> dict[str, Any]:
    """What is said about an operation itself; its id is added to those that are taken."""
    operation: dict[str, Any] = {}
    if route.tags:
        operation["tags"] = route.tags
    operation["summary"] = generate_operation_summary(route=route, method=method)
    if route.description:
        operation["description"] = route.description
    operation_id = route.operation_id or route.unique_id
    if operation_id in operation_ids:
        name = getattr(route.endpoint, "__name__", "<unnamed_endpoint>")
        message = f"Duplicate Operation ID {operation_id} for function {name}"
        file = getattr(route.endpoint, "__globals__", {}).get("__file__")
        warnings.warn(f"{message} at {file}" if file else message, stacklevel=1)
    operation_ids.add(operation_id)
    operation["operationId"] = operation_id
    if route.deprecated:
        operation["deprecated"] = route.deprecated
    return operation


class Operations:
    """Describes routes; remembers the ids that were used."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas
        self.security_schemes: dict[str, Any] = {}
        self.definitions: dict[str, Any] = {}
        self._ids: set[str] = set()

    def path(self, route: RouteState) -> dict[str, Any]:
        """The path item of a route."""
        if not route.include_in_schema:
            return {}
        return {method.lower(): self._operation(route, method) for method in route.methods}

    def _operation(self, route: RouteState, method: str) -> dict[str, Any]:
        dependants = list(distinct_dependants(route.dependant))
        operation = get_openapi_operation_metadata(route=route, method=method, operation_ids=self._ids)
        security = self._security(dependants[1:])
        if security:
            operation["security"] = security
        parameters, any_params = self._parameters([dependant for dependant, _ in dependants])
        if parameters:
            operation["parameters"] = parameters
        if method in METHODS_WITH_BODY and route.body_field is not None:
            operation["requestBody"] = self._request_body(route.body_field)
        if route.callbacks:
            operation["callbacks"] = {
                callback.name: {callback.path: self.path(callback)}
                for callback in route.callbacks
                if isinstance(callback, RouteState)
            }
        operation["responses"] = responses = self._responses(route)
        if (any_params or route.body_field) and not {"422", "4XX", "default"} & responses.keys():
            reference = {"$ref": REF_PREFIX + "HTTPValidationError"}
            responses["422"] = {
                "description": "Validation Error",
                "content": {"application/json": {"schema": reference}},
            }
            self.definitions["ValidationError"] = validation_error_definition
            self.definitions["HTTPValidationError"] = validation_error_response_definition
        if route.openapi_extra:
            deep_dict_update(operation, route.openapi_extra)
        return operation

    def _security(self, dependants: list[tuple[Dependant, list[str]]]) -> list[dict[str, Any]]:
        needed: dict[str, list[str]] = {}
        for dependant, scopes in dependants:
            scheme = _unwrapped(dependant.call)
            if isinstance(scheme, SecurityBase):
                model = jsonable_encoder(scheme.model, by_alias=True, exclude_none=True)
                self.security_schemes[scheme.scheme_name] = model
                asked = needed.setdefault(scheme.scheme_name, [])
                asked += [scope for scope in scopes if scope not in asked]
        return [{name: scopes} for name, scopes in needed.items()]

    # ---- what a request holds ----

    def _parameters(self, dependants: list[Dependant]) -> tuple[list[dict[str, Any]], bool]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        required: dict[tuple[str, str], dict[str, Any]] = {}
        any_params = False
        for place in ("path", "query", "header", "cookie"):
            for dependant in dependants:
                for parent in getattr(dependant, f"{place}_params"):
                    any_params = any_params or bool(flat_params(parent))
                    if not getattr(parent.field_info, "include_in_schema", True):
                        continue
                    for field in flat_params(parent):
                        entry = self._parameter(place, parent, field)
                        key = (place, entry["name"])
                        found[key] = entry
                        if entry["required"]:
                            required[key] = entry
        return list({**found, **required}.values()), any_params

    def _parameter(self, place: str, parent: ModelField, field: ModelField) -> dict[str, Any]:
        info = field.field_info
        model = param_model(parent)
        optional = (
            model is not None and parent.field_info.annotation is not model and not parent.field_info.is_required()
        )
        convert = place == "header" and getattr(
            info, "convert_underscores", getattr(parent.field_info, "convert_underscores", True)
        )
        alias, name = param_aliases(field, convert_underscores=convert)[0]
        entry: dict[str, Any] = {
            "name": name,
            "in": place,
            "required": info.is_required() and not optional,
            "schema": self.schemas.of(field, alias),
        }
        if info.description:
            entry["description"] = info.description
        _add_examples(entry, info)
        if getattr(info, "deprecated", None):
            entry["deprecated"] = True
        return entry

    def _request_body(self, field: ModelField) -> dict[str, Any]:
        info = field.field_info
        assert isinstance(info, params.Body)
        content: dict[str, Any] = {"schema": self.schemas.of(field)}
        _add_examples(content, info)
        body: dict[str, Any] = {"required": True} if info.is_required() else {}
        body["content"] = {info.media_type: content}
        return body

    # ---- what a response holds ----

    def _content(self, route: RouteState) -> tuple[str | None, dict[str, Any]]:
        """The media type of a route's own response and what is said about it."""
        item = route.stream_item_field
        if route.is_json_stream:
            return "application/jsonl", {"itemSchema": self.schemas.of(item) if item else {}}
        if route.is_sse_stream:
            schema = copy.deepcopy(_SSE_EVENT_SCHEMA)
            if item:
                schema["required"] = ["data"]
                schema["properties"]["data"] = {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": self.schemas.of(item),
                }
            return "text/event-stream", {"itemSchema": schema}
        response_class = given(route.response_class)
        schema = {"type": "string"}
        if lenient_issubclass(response_class, JSONResponse):
            schema = self.schemas.of(route.response_field) if route.response_field else {}
        return response_class.media_type, {"schema": schema}

    def _responses(self, route: RouteState) -> dict[str, Any]:
        response_class = given(route.response_class)
        if route.status_code is not None:
            status = str(route.status_code)
        else:
            default = inspect.signature(response_class.__init__).parameters.get("status_code")
            number = default.default if default is not None else 200
            status = str(number if isinstance(number, int) else 200)
        own: dict[str, Any] = {"description": route.response_description}
        if is_body_allowed_for_status_code(route.status_code):
            media_type, content = self._content(route)
            if media_type:
                own["content"] = {media_type: content}
        responses = {status: own}
        for code, declared in route.responses.items():
            self._add_response(route, responses, code, declared)
        return responses

    def _add_response(
        self, route: RouteState, responses: dict[str, Any], code: int | str, declared: dict[str, Any]
    ) -> None:
        extra = copy.deepcopy(declared)
        extra.pop("model", None)
        key = str(code).upper()
        response = responses.setdefault("default" if key == "DEFAULT" else key, {})
        field = route.response_fields.get(code)
        if field is not None:
            media_type = given(route.response_class).media_type or "application/json"
            content = extra.setdefault("content", {}).setdefault(media_type, {})
            deep_dict_update(content.setdefault("schema", {}), self.schemas.of(field))
        text = status_code_ranges.get(key) or http.client.responses.get(int(code))
        description = extra.get("description") or response.get("description") or text
        deep_dict_update(response, extra)
        response["description"] = description or "Additional Response"


def _add_examples(entry: dict[str, Any], info: Any) -> None:
    examples = getattr(info, "openapi_examples", None)
    example = getattr(info, "example", None)
    if examples:
        entry["examples"] = jsonable_encoder(examples)
    elif example is not _Unset:
        entry["example"] = jsonable_encoder(example)
