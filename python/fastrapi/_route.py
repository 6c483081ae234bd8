"""What a route is, worked out from its endpoint and its options."""

import inspect
from collections.abc import Callable, Sequence
from enum import Enum, IntEnum
from typing import Any

from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, compile_path, get_name
from starlette.types import Receive, Scope, Send

from . import params
from ._compile.annotations import lenient_issubclass
from ._compile.bodies import flat_body_params, get_body_field, should_embed
from ._compile.dependant import (
    Dependant,
    get_dependant,
    get_parameterless_sub_dependant,
    get_stream_item_type,
    get_typed_return_annotation,
    is_any_generator,
)
from ._compile.diagnostics import label, note_route
from ._compile.fields import ModelField
from ._compile.structs import has_structs
from ._encoding import JSONEncoder, check_json_encoder, response_class_with
from ._limits import FormLimits, SyncHandlers, check_max_body_size, check_sync_handlers, checked_form_limits
from .datastructures import DefaultPlaceholder
from .exceptions import FastAPIError
from .sse import EventSourceResponse, ServerSentEvent
from .types import IncEx
from .utils import create_model_field, is_body_allowed_for_status_code

_SELECTING = (
    "response_model_include",
    "response_model_exclude",
    "response_model_exclude_unset",
    "response_model_exclude_defaults",
    "response_model_exclude_none",
)


def given(value: Any) -> Any:
    """A value, whether it is marked as a default or not."""
    return value.value if isinstance(value, DefaultPlaceholder) else value


def build_dependant(
    *, path: str, call: Callable[..., Any], dependencies: Sequence[params.Depends]
) -> tuple[Dependant, list[ModelField], bool]:
    """An endpoint's dependant with the route's dependencies first, and how it takes the body."""
    dependant = get_dependant(path=path, call=call, scope="function")
    dependant.dependencies[:0] = [
        get_parameterless_sub_dependant(depends=depends, path=path) for depends in dependencies
    ]
    body_params = flat_body_params(dependant)
    return dependant, body_params, should_embed(body_params)


class RouteState:
    """The attributes of a route: as declared, or as it is where a router is included."""

    path: str
    endpoint: Callable[..., Any]
    name: str
    methods: set[str]
    path_regex: Any
    path_format: str
    param_convertors: dict[str, Any]
    stream_item_type: Any | None
    response_model: Any
    summary: str | None
    description: str
    response_description: str
    deprecated: bool | None
    operation_id: str | None
    unique_id: str
    response_model_include: IncEx | None
    response_model_exclude: IncEx | None
    response_model_by_alias: bool
    response_model_exclude_unset: bool
    response_model_exclude_defaults: bool
    response_model_exclude_none: bool
    include_in_schema: bool
    response_class: type[Response] | DefaultPlaceholder
    dependency_overrides_provider: Any | None
    callbacks: list[BaseRoute] | None
    openapi_extra: dict[str, Any] | None
    generate_unique_id_function: Callable[[Any], str] | DefaultPlaceholder
    strict_content_type: bool | DefaultPlaceholder
    max_body_size: int | None
    form_limits: FormLimits
    sync_handlers: SyncHandlers | None
    json_encoder: JSONEncoder | None
    tags: list[str | Enum]
    responses: dict[int | str, dict[str, Any]]
    status_code: int | None
    response_field: ModelField | None
    response_fields: dict[int | str, ModelField]
    stream_item_field: ModelField | None
    dependencies: list[params.Depends]
    dependant: Dependant
    body_field: ModelField | None
    _embed_body_fields: bool
    _encoded_class: type[Response] | None
    is_sse_stream: bool
    is_json_stream: bool

    @property
    def original_route(self) -> Any:
        """The route that was declared: what `request.scope["route"]` is."""
        return self

    @property
    def answer_class(self) -> type[Response] | DefaultPlaceholder:
        """What answers are made with: the response class, or the default one with the route's encoder."""
        if self._encoded_class is None or not isinstance(self.response_class, DefaultPlaceholder):
            return self.response_class
        return self._encoded_class

    def _settle(
        self,
        path: str,
        endpoint: Callable[..., Any],
        options: dict[str, Any],
        stream_item_type: Any | None = None,
    ) -> None:
        """Work everything out; an error says which function it is about."""
        try:
            self._set_options(path, endpoint, options, stream_item_type)
            self._set_response_fields()
            assert callable(endpoint), "An endpoint must be a callable"
            self.dependant, body_params, self._embed_body_fields = build_dependant(
                path=self.path_format, call=endpoint, dependencies=self.dependencies
            )
            self.body_field = get_body_field(
                body_params=body_params,
                name=self.unique_id,
                embed_body_fields=self._embed_body_fields,
            )
            self._set_response(options["response_model"])
        except Exception as exc:
            note_route(exc, label(path, options["methods"] or ["GET"]), endpoint)
            raise

    def _set_options(
        self,
        path: str,
        endpoint: Callable[..., Any],
        options: dict[str, Any],
        stream_item_type: Any | None,
    ) -> None:
        plain = dict(options)
        del plain["response_model"]
        name, methods = plain.pop("name"), plain.pop("methods")
        description, status_code = plain.pop("description"), plain.pop("status_code")
        check_max_body_size(plain["max_body_size"])
        check_sync_handlers(plain["sync_handlers"])
        check_json_encoder(plain["json_encoder"])
        self._encoded_class = response_class_with(plain["json_encoder"])
        self.form_limits = checked_form_limits(plain.pop("form_limits", None))
        self.tags = plain.pop("tags") or []
        self.responses = plain.pop("responses") or {}
        self.dependencies = list(plain.pop("dependencies") or [])
        for option, value in plain.items():
            setattr(self, option, value)
        self.path = path
        self.endpoint = endpoint
        self.stream_item_type = stream_item_type
        self.name = get_name(endpoint) if name is None else name
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.methods = {method.upper() for method in (["GET"] if methods is None else methods)}
        make_id = given(self.generate_unique_id_function)
        self.unique_id = self.operation_id or make_id(self)
        self.status_code = int(status_code) if isinstance(status_code, IntEnum) else status_code
        text = description or inspect.cleandoc(endpoint.__doc__ or "")
        self.description = text.split("\f")[0].strip()

    def _set_response_fields(self) -> None:
        self.response_fields = {}
        for status, response in self.responses.items():
            assert isinstance(response, dict), "An additional response must be a dict"
            model = response.get("model")
            if model:
                assert is_body_allowed_for_status_code(status), f"Status code {status} must not have a response body"
                self.response_fields[status] = create_model_field(
                    name=f"Response_{status}_{self.unique_id}", type_=model, mode="serialization"
                )

    def _set_response(self, response_model: Any) -> None:
        yields = is_any_generator(self.dependant.call)
        is_default = isinstance(self.response_class, DefaultPlaceholder)
        is_sse = lenient_issubclass(self.response_class, EventSourceResponse)
        self.is_sse_stream = yields and is_sse
        self.is_json_stream = yields and is_default
        if isinstance(response_model, DefaultPlaceholder):
            response_model = get_typed_return_annotation(self.endpoint)
            item = get_stream_item_type(response_model)
            if lenient_issubclass(response_model, Response):
                response_model = None
            elif item is not None and yields:
                response_model = None
                # An event is an envelope, not data to validate.
                if (is_default or is_sse) and not lenient_issubclass(item, ServerSentEvent):
                    self.stream_item_type = item
        self.response_model = response_model
        self.response_field = None
        if response_model:
            assert is_body_allowed_for_status_code(self.status_code), (
                f"Status code {self.status_code} must not have a response body"
            )
            self.response_field = self._out_field("Response_", response_model)
            self._check_selection(response_model)
        self.stream_item_field = None
        if self.stream_item_type:
            self.stream_item_field = self._out_field("StreamItem_", self.stream_item_type)
            self._check_selection(self.stream_item_type)

    def _check_selection(self, type_: Any) -> None:
        """Refuse options that would do nothing, and so send what was meant to stay."""
        if not has_structs(type_):
            return
        for name in _SELECTING:
            if getattr(self, name):
                raise FastAPIError(f"{name} does nothing in what msgspec writes: leave it out, or return another class")

    def _out_field(self, prefix: str, type_: Any) -> ModelField:
        return create_model_field(name=prefix + self.unique_id, type_=type_, mode="serialization")


def match_route(route: RouteState, scope: Scope) -> tuple[Match, Scope]:
    """Match a request's path and method, as Starlette's routes do."""
    if scope["type"] != "http":
        return Match.NONE, {}
    found = route.path_regex.match(get_route_path(scope))
    if not found:
        return Match.NONE, {}
    convertors = route.param_convertors
    own = {name: convertors[name].convert(text) for name, text in found.groupdict().items()}
    child_scope = {
        "endpoint": route.endpoint,
        "path_params": {**scope.get("path_params", {}), **own},
        "route": route.original_route,
    }
    allowed = not route.methods or scope["method"] in route.methods
    return (Match.FULL if allowed else Match.PARTIAL), child_scope


async def refuse_method(route: RouteState, scope: Scope, receive: Receive, send: Send) -> bool:
    """Answer 405 if the route does not take the request's method."""
    if not route.methods or scope["method"] in route.methods:
        return False
    headers = {"Allow": ", ".join(route.methods)}
    if "app" in scope:
        raise HTTPException(status_code=405, headers=headers)
    response = PlainTextResponse("Method Not Allowed", status_code=405, headers=headers)
    await response(scope, receive, send)
    return True
