"""The description of an application."""

from collections.abc import Iterator, Sequence
from typing import Any

from starlette.routing import BaseRoute

from .._compile.fields import ModelField
from .._route import RouteState
from ..encoders import jsonable_encoder
from ..routing import RouteContext, iter_route_contexts
from .models import OpenAPI
from .operations import Operations, distinct_dependants, flat_params
from .operations import generate_operation_id as generate_operation_id
from .operations import generate_operation_summary as generate_operation_summary
from .operations import get_openapi_operation_metadata as get_openapi_operation_metadata
from .operations import status_code_ranges as status_code_ranges
from .operations import validation_error_definition as validation_error_definition
from .operations import validation_error_response_definition as validation_error_response_definition
from .schemas import Schemas

Routes = Sequence[BaseRoute | RouteContext]


def _api_routes(routes: Routes) -> Iterator[RouteState]:
    for context in iter_route_contexts(routes):
        if isinstance(context._effective, RouteState):
            yield context._effective
        elif isinstance(context.route, RouteState):
            yield context.route


def get_fields_from_routes(routes: Routes) -> list[ModelField]:
    """Every field that the description of some routes needs a schema of."""
    bodies: list[ModelField] = []
    responses: list[ModelField] = []
    parameters: list[ModelField] = []
    inner: list[ModelField] = []
    for route in _api_routes(routes):
        if not route.include_in_schema:
            continue
        if route.body_field:
            bodies.append(route.body_field)
        if route.response_field:
            responses.append(route.response_field)
        responses += route.response_fields.values()
        if route.stream_item_field:
            responses.append(route.stream_item_field)
        if route.callbacks:
            inner += get_fields_from_routes(route.callbacks)
        dependants = [dependant for dependant, _ in distinct_dependants(route.dependant)]
        for place in ("path", "query", "header", "cookie"):
            for dependant in dependants:
                for field in getattr(dependant, f"{place}_params"):
                    parameters += flat_params(field)
    return [*inner, *bodies, *responses, *parameters]


def get_openapi(
    *,
    title: str,
    version: str,
    openapi_version: str = "3.1.0",
    summary: str | None = None,
    description: str | None = None,
    routes: Routes,
    webhooks: Routes | None = None,
    tags: list[dict[str, Any]] | None = None,
    servers: list[dict[str, str | Any]] | None = None,
    terms_of_service: str | None = None,
    contact: dict[str, str | Any] | None = None,
    license_info: dict[str, str | Any] | None = None,
    separate_input_output_schemas: bool = True,
    external_docs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The OpenAPI document of some routes, as plain data."""
    info = {
        "title": title,
        "version": version,
        "summary": summary,
        "description": description,
        "termsOfService": terms_of_service,
        "contact": contact,
        "license": license_info,
    }
    fields = get_fields_from_routes([*routes, *(webhooks or [])])
    schemas = Schemas(fields, separate_input_output_schemas)
    operations = Operations(schemas)

    def paths_of(some: Routes) -> dict[str, Any]:
        paths: dict[str, Any] = {}
        for route in _api_routes(some):
            path = operations.path(route)
            if path:
                paths.setdefault(route.path_format, {}).update(path)
        return paths

    paths, webhook_paths = paths_of(routes), paths_of(webhooks or [])
    definitions = {**schemas.definitions, **operations.definitions}
    components: dict[str, Any] = {}
    if operations.security_schemes:
        components["securitySchemes"] = operations.security_schemes
    if definitions:
        components["schemas"] = {name: definitions[name] for name in sorted(definitions)}
    output: dict[str, Any] = {
        "openapi": openapi_version,
        "info": {key: value for key, value in info.items() if value or key in ("title", "version")},
        "paths": paths,
    }
    for key, value in (
        ("servers", servers),
        ("components", components),
        ("webhooks", webhook_paths),
        ("tags", tags),
        ("externalDocs", external_docs),
    ):
        if value:
            output[key] = value
    document: dict[str, Any] = jsonable_encoder(OpenAPI(**output), by_alias=True, exclude_none=True)
    return document
