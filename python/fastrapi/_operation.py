"""The options of a path operation: written once, for routes, routers and applications."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from . import params
from ._encoding import JSONEncoder
from ._limits import FormLimits, SyncHandlers
from ._signature import Options, spelled
from .datastructures import Default, DefaultPlaceholder
from .types import DecoratedCallable, IncEx
from .utils import generate_unique_id


class VerbOptions(TypedDict, total=False):
    """The options of get(), post() and so on."""

    response_model: Any
    status_code: int | None
    tags: list[str | Enum] | None
    dependencies: Sequence[params.Depends] | None
    summary: str | None
    description: str | None
    response_description: str
    responses: dict[int | str, dict[str, Any]] | None
    deprecated: bool | None
    name: str | None
    operation_id: str | None
    response_model_include: IncEx | None
    response_model_exclude: IncEx | None
    response_model_by_alias: bool
    response_model_exclude_unset: bool
    response_model_exclude_defaults: bool
    response_model_exclude_none: bool
    include_in_schema: bool
    response_class: type[Response] | DefaultPlaceholder
    callbacks: list[BaseRoute] | None
    openapi_extra: dict[str, Any] | None
    generate_unique_id_function: Callable[[Any], str] | DefaultPlaceholder
    max_body_size: int | None
    form_limits: FormLimits | None
    sync_handlers: SyncHandlers | None
    json_encoder: JSONEncoder | None


class OperationOptions(VerbOptions, total=False):
    """Every option that api_route(), add_api_route() or a route takes."""

    methods: set[str] | list[str] | None
    dependency_overrides_provider: Any | None
    route_class_override: type[Any] | None
    strict_content_type: bool | DefaultPlaceholder


OPERATION = Options(
    OperationOptions,
    {
        "response_model": Default(None),
        "status_code": None,
        "tags": None,
        "dependencies": None,
        "summary": None,
        "description": None,
        "response_description": "Successful Response",
        "responses": None,
        "deprecated": None,
        "methods": None,
        "operation_id": None,
        "response_model_include": None,
        "response_model_exclude": None,
        "response_model_by_alias": True,
        "response_model_exclude_unset": False,
        "response_model_exclude_defaults": False,
        "response_model_exclude_none": False,
        "include_in_schema": True,
        "response_class": Default(JSONResponse),
        "dependency_overrides_provider": None,
        "name": None,
        "route_class_override": None,
        "callbacks": None,
        "openapi_extra": None,
        "generate_unique_id_function": Default(generate_unique_id),
        "strict_content_type": Default(True),
        "max_body_size": None,
        "form_limits": None,
        "sync_handlers": None,
        "json_encoder": None,
    },
)


def _without(*names: str) -> list[str]:
    return [name for name in OPERATION.defaults if name not in names]


# What each kind of callable takes.
ROUTE_NAMES = _without("route_class_override", "name")
ROUTE_NAMES.insert(ROUTE_NAMES.index("methods"), "name")
ADD_ROUTE_NAMES = _without("dependency_overrides_provider")
APP_ADD_ROUTE_NAMES = _without(
    "dependency_overrides_provider", "route_class_override", "callbacks", "strict_content_type"
)
API_ROUTE_NAMES = _without("dependency_overrides_provider", "route_class_override", "strict_content_type")
APP_API_ROUTE_NAMES = APP_ADD_ROUTE_NAMES
VERB_NAMES = [name for name in API_ROUTE_NAMES if name != "methods"]

VERBS = {
    "get": "reads something",
    "put": "replaces something",
    "post": "creates something or does an action",
    "delete": "removes something",
    "options": "tells what is allowed",
    "head": "answers like GET, without the body",
    "patch": "changes part of something",
    "trace": "echoes the request",
}


def verb_doc(verb: str) -> str:
    """The docstring of a decorator."""
    return f"""Declare an endpoint for {verb.upper()}, which {VERBS[verb]}.

    The decorated function's parameters say what it takes from the request, its
    return type or `response_model` what it gives back.

    ```python
    @app.{verb}("/items/{{item_id}}")
    def handle(item_id: int) -> dict[str, int]:
        return {{"item_id": item_id}}
    ```

    `status_code` and `response_class` set the answer's status and kind;
    `dependencies` are run without handing over a result; the
    `response_model_*` options choose what of the returned model is sent;
    `sync_handlers` ("auto", "inline" or "threads") says where the `def`
    functions of this route run, in place of the server's configuration;
    `json_encoder` ("orjson", "msgspec", "stdlib" or a callable) what makes
    the bytes of its JSON answers.
    `tags`, `summary`, `description`, `responses`, `operation_id`,
    `include_in_schema` and the like concern the documentation.
    """


if TYPE_CHECKING:

    class Verbs:
        """What add_verbs() gives a class, for type checkers and editors."""

        def get(
            self, path: str, **options: Unpack[VerbOptions]
        ) -> Callable[[DecoratedCallable], DecoratedCallable]:
            """Declare an endpoint for GET, which reads something."""

        def put(
            self, path: str, **options: Unpack[VerbOptions]
        ) -> Callable[[DecoratedCallable], DecoratedCallable]:
            """Declare an endpoint for PUT, which replaces something."""

        def post(
            self, path: str, **options: Unpack[VerbOptions]
        ) -> Callable[[DecoratedCallable], DecoratedCallable]:
            """Declare an endpoint for POST, which creates something or does an action."""

        def delete(
            self, path: str, **options: Unpack[VerbOptions]
        ) -> Callable[[DecoratedCallable], DecoratedCallable]:
            """Declare an endpoint for DELETE, which removes something."""

        def options(
            self, path: str, **options: Unpack[VerbOptions]
        ) -> Callable[[DecoratedCallable], DecoratedCallable]:
            """Declare an endpoint for OPTIONS, which tells what is allowed."""

        def head(
            self, path: str, **options: Unpack[VerbOptions]
        ) -> Callable[[DecoratedCallable], DecoratedCallable]:
            """Declare an endpoint for HEAD, which answers like GET, without the body."""

        def patch(
            self, path: str, **options: Unpack[VerbOptions]
        ) -> Callable[[DecoratedCallable], DecoratedCallable]:
            """Declare an endpoint for PATCH, which changes part of something."""

        def trace(
            self, path: str, **options: Unpack[VerbOptions]
        ) -> Callable[[DecoratedCallable], DecoratedCallable]:
            """Declare an endpoint for TRACE, which echoes the request."""

else:
    Verbs = object


def add_verbs(cls: type, through: Callable[[Any], Any], names: Sequence[str]) -> None:
    """Give a class its get(), post() and so on; all of them end in api_route()."""
    for verb in VERBS:
        setattr(cls, verb, _verb(cls, verb, through, names))


def _verb(cls: type, verb: str, through: Callable[[Any], Any], names: Sequence[str]) -> Callable[..., Any]:
    def declare(self: Any, path: str, **options: Unpack[OperationOptions]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        owner = through(self)
        if owner is self:
            return self.api_route(path, methods=[verb.upper()], **options)  # type: ignore[no-any-return]
        return getattr(owner, verb)(path, **options)  # type: ignore[no-any-return]

    declare.__name__ = verb
    declare.__qualname__ = f"{cls.__qualname__}.{verb}"
    declare.__doc__ = verb_doc(verb)
    return spelled(OPERATION, names, fill=True)(declare)


class IncludeOptions(TypedDict, total=False):
    """The options of include_router()."""

    prefix: str
    tags: list[str | Enum] | None
    dependencies: Sequence[params.Depends] | None
    default_response_class: type[Response] | DefaultPlaceholder
    responses: dict[int | str, dict[str, Any]] | None
    callbacks: list[BaseRoute] | None
    deprecated: bool | None
    include_in_schema: bool
    generate_unique_id_function: Callable[[Any], str] | DefaultPlaceholder
    max_body_size: int | None
    form_limits: FormLimits | None


INCLUDE = Options(
    IncludeOptions,
    {
        "prefix": "",
        "tags": None,
        "dependencies": None,
        "default_response_class": Default(JSONResponse),
        "responses": None,
        "callbacks": None,
        "deprecated": None,
        "include_in_schema": True,
        "generate_unique_id_function": Default(generate_unique_id),
        "max_body_size": None,
        "form_limits": None,
    },
)
