"""
What a callable needs from a request, worked out from its signature.

A Dependant is a tree: the parameters of one callable, and the dependants that
it depends on.  It is made when a route is declared; plan.py flattens it.
"""

import dataclasses
import inspect
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from copy import copy
from functools import partial
from typing import Annotated, Any, ForwardRef, Literal, cast, get_args, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic._internal import _typing_extra
from pydantic.fields import FieldInfo
from starlette.background import BackgroundTasks as StarletteBackgroundTasks
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from typing_inspection.typing_objects import is_typealiastype

from .. import params
from ..concurrency import _DependencyConcurrency
from ..exceptions import DependencyScopeError
from ..security.base import SecurityBase
from ..security.oauth2 import SecurityScopes
from ..types import DependencyCacheKey
from ..utils import create_model_field, get_path_param_names
from .annotations import (
    is_scalar,
    is_scalar_sequence,
    is_union,
    is_upload,
    is_upload_sequence,
    lenient_issubclass,
)
from .diagnostics import note_parameter, refuse_cycle
from .fields import ModelField, RequiredParam, Undefined, copy_field_info
from .structs import has_structs

if sys.version_info >= (3, 13):
    from inspect import iscoroutinefunction
else:
    # Knows the mark that older libraries leave on what they wrap.
    from asyncio import iscoroutinefunction

Scope = Literal["function", "request"]


@dataclasses.dataclass(slots=True)
class Dependant:
    """One callable and all that it needs."""

    path_params: list[ModelField] = dataclasses.field(default_factory=list)
    query_params: list[ModelField] = dataclasses.field(default_factory=list)
    header_params: list[ModelField] = dataclasses.field(default_factory=list)
    cookie_params: list[ModelField] = dataclasses.field(default_factory=list)
    body_params: list[ModelField] = dataclasses.field(default_factory=list)
    dependencies: list["Dependant"] = dataclasses.field(default_factory=list)
    name: str | None = None
    call: Callable[..., Any] | None = None
    request_param_name: str | None = None
    websocket_param_name: str | None = None
    http_connection_param_name: str | None = None
    response_param_name: str | None = None
    background_tasks_param_name: str | None = None
    security_scopes_param_name: str | None = None
    own_oauth_scopes: list[str] | None = None
    parent_oauth_scopes: list[str] | None = None
    use_cache: bool = True
    path: str | None = None
    scope: Scope | None = None
    concurrency: _DependencyConcurrency | None = None


# ---- kinds of callables ----


def without_partial(call: Any) -> Any:
    """What a partial is of."""
    while isinstance(call, partial):
        call = call.func
    return call


def _unwrapped(call: Any) -> Any:
    return inspect.unwrap(without_partial(call))


def _any_form(call: Any, test: Callable[[Any], bool], direct: Callable[[Any], bool]) -> bool:
    """Whether the callable, what it wraps, or the __call__ of either passes a test."""
    if direct(without_partial(call)) or direct(_unwrapped(call)):
        return True
    if inspect.isclass(_unwrapped(call)):
        return False
    for owner in (without_partial(call), _unwrapped(call)):
        method = getattr(owner, "__call__", None)  # noqa: B004
        if method is None:
            return False
        if test(without_partial(method)) or test(_unwrapped(method)):
            return True
    return False


def is_generator(call: Callable[..., Any] | None) -> bool:
    test = inspect.isgeneratorfunction
    return call is not None and _any_form(call, test, test)


def is_async_generator(call: Callable[..., Any] | None) -> bool:
    test = inspect.isasyncgenfunction
    return call is not None and _any_form(call, test, test)


def is_coroutine(call: Callable[..., Any] | None) -> bool:
    def direct(form: Any) -> bool:
        return inspect.isroutine(form) and iscoroutinefunction(form)

    return call is not None and _any_form(call, iscoroutinefunction, direct)


def is_any_generator(call: Callable[..., Any] | None) -> bool:
    return is_generator(call) or is_async_generator(call)


# ---- scopes and cache keys ----


def oauth_scopes(dependant: Dependant) -> list[str]:
    """The scopes asked for on the way here, in order, each once."""
    scopes = list(dependant.parent_oauth_scopes or [])
    scopes += [s for s in dict.fromkeys(dependant.own_oauth_scopes or []) if s not in scopes]
    return scopes


def uses_scopes(dependant: Dependant) -> bool:
    """Whether the result can depend on the scopes that were asked for."""
    return bool(
        dependant.own_oauth_scopes
        or dependant.security_scopes_param_name is not None
        or isinstance(_unwrapped(dependant.call), SecurityBase)
        or any(uses_scopes(sub) for sub in dependant.dependencies)
    )


def computed_scope(dependant: Dependant) -> str | None:
    if dependant.scope:
        return dependant.scope
    return "request" if is_any_generator(dependant.call) else None


def cache_key(dependant: Dependant) -> DependencyCacheKey:
    """Two dependants with equal keys share one result within a request."""
    scopes = tuple(sorted(set(oauth_scopes(dependant)))) if uses_scopes(dependant) else ()
    return dependant.call, scopes, computed_scope(dependant) or ""


# ---- signatures ----


def _signature(call: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(call, eval_str=True)
    except NameError:
        # Some annotation is for type checkers only; it may be one that isn't needed.
        if sys.version_info >= (3, 14):
            from annotationlib import Format

            return inspect.signature(call, annotation_format=Format.FORWARDREF)
        return inspect.signature(call)


def evaluated(annotation: Any, namespace: dict[str, Any]) -> Any:
    """An annotation, evaluated as far as its names are known."""
    if isinstance(annotation, str):
        reference: Any = ForwardRef(annotation)
        annotation = _typing_extra.try_eval_type(reference, namespace, namespace)[0]
        if annotation is type(None):
            return None
    return annotation


def _namespace(call: Callable[..., Any]) -> dict[str, Any]:
    return getattr(inspect.unwrap(call), "__globals__", {})


def get_typed_signature(call: Callable[..., Any]) -> inspect.Signature:
    """A callable's signature, its annotations evaluated."""
    names = _namespace(call)
    parameters = [
        inspect.Parameter(
            name=parameter.name,
            kind=parameter.kind,
            default=parameter.default,
            annotation=evaluated(parameter.annotation, names),
        )
        for parameter in _signature(call).parameters.values()
    ]
    return inspect.Signature(parameters)


def get_typed_return_annotation(call: Callable[..., Any]) -> Any:
    """What a callable is declared to return; None if nothing is declared."""
    annotation = _signature(call).return_annotation
    if annotation is inspect.Signature.empty:
        return None
    return evaluated(annotation, _namespace(call))


_STREAMS = {AsyncIterable, AsyncIterator, AsyncGenerator, Iterable, Iterator, Generator}


def get_stream_item_type(annotation: Any) -> Any | None:
    """What an iterator yields; None if the annotation is none."""
    origin = get_origin(annotation)
    if origin is None or origin not in _STREAMS:
        return None
    args = get_args(annotation)
    return args[0] if args else Any


# ---- one parameter ----


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation is, or is an optional one of."""
    if is_union(annotation):
        args = get_args(annotation)
        if len(args) == 2 and type(None) in args:
            annotation = next(arg for arg in args if arg is not type(None))
    return annotation if lenient_issubclass(annotation, BaseModel) else None


_INJECTED: tuple[tuple[type, str], ...] = (
    (Request, "request_param_name"),
    (WebSocket, "websocket_param_name"),
    (HTTPConnection, "http_connection_param_name"),
    (Response, "response_param_name"),
    (StarletteBackgroundTasks, "background_tasks_param_name"),
    (SecurityScopes, "security_scopes_param_name"),
)


@dataclasses.dataclass
class ParamDetails:
    """What one parameter turned out to be."""

    type_annotation: Any
    depends: params.Depends | None
    field: ModelField | None


def _from_annotated(
    name: str, annotation: Any, value: Any, is_path_param: bool
) -> tuple[FieldInfo | None, params.Depends | None]:
    """The declaration inside Annotated[]; the last one counts."""
    kinds = (params.Param, params.Body, params.Depends)
    found = [arg for arg in get_args(annotation)[1:] if isinstance(arg, kinds)]
    last = found[-1] if found else None
    if isinstance(last, params.Depends):
        return None, last
    if last is None:
        return None, None
    info = copy_field_info(field_info=last, annotation=annotation)
    assert info.default == Undefined or info.default == RequiredParam, (
        f"`{info.__class__.__name__}` default value cannot be set in"
        f" `Annotated` for {name!r}. Set the default value with `=` instead."
    )
    if value is inspect.Signature.empty:
        info.default = RequiredParam
    else:
        assert not is_path_param, "Path parameters cannot have default values"
        info.default = value
    return info, None


def _inferred(annotation: Any, type_annotation: Any, value: Any, is_path_param: bool) -> FieldInfo:
    """The declaration of a parameter that has none: by its name and its type."""
    default = RequiredParam if value is inspect.Signature.empty else value
    info: FieldInfo
    if is_path_param:
        # A default is passed over: the function may serve a path without it too.
        info = params.Path(annotation=annotation)
    elif is_upload(type_annotation) or is_upload_sequence(type_annotation):
        info = params.File(default, annotation=annotation)
    elif is_scalar(type_annotation) and not has_structs(annotation):
        info = params.Query(default, annotation=annotation)
    else:
        info = params.Body(default, annotation=annotation)
    if get_origin(annotation) is Annotated:
        default = info.default
        info = copy_field_info(field_info=info, annotation=annotation)
        info.default = default
        if is_path_param:
            info.default_factory = None
    return info


def _path_choice(info: FieldInfo, names: set[str]) -> FieldInfo:
    """Of several aliases for a path parameter, the one that the path has."""
    alias = info.validation_alias
    if not isinstance(info, params.Path) or not isinstance(alias, AliasChoices):
        return info
    if not all(isinstance(choice, str) for choice in alias.choices):
        return info
    for choice in cast(list[str], alias.choices):
        if choice in names:
            info = copy(info)
            info.validation_alias = choice
            return info
    return info


def _make_field(name: str, annotation: Any, info: FieldInfo, path_param_names: set[str]) -> ModelField:
    from . import bodies

    is_path_param = name in path_param_names
    if is_path_param:
        assert isinstance(info, params.Path), f"Cannot use `{info.__class__.__name__}` for path param {name!r}"
    elif isinstance(info, params.Param) and getattr(info, "in_", None) is None:
        info.in_ = params.ParamTypes.query
    if isinstance(info, params.Form):
        bodies.ensure_multipart_is_installed()
        if bodies.union_models(info.annotation):
            info.annotation = bodies.with_form_validators(info.annotation)
    info = _path_choice(info, path_param_names)
    if not info.alias and getattr(info, "convert_underscores", None):
        info.alias = name.replace("_", "-")
    else:
        info.alias = info.alias or name
    field = create_model_field(name=name, type_=annotation, default=info.default, alias=info.alias, field_info=info)
    own = info.annotation
    if is_path_param:
        assert is_scalar(own) and not has_structs(annotation), "Path params must be of one of the supported types"
    elif isinstance(info, params.Query):
        is_known = is_scalar(own) or is_scalar_sequence(own) or model_of(own) is not None
        assert is_known and not has_structs(annotation), f"Query parameter {name!r} must be one of the supported types"
    return field


def analyze_param(*, param_name: str, annotation: Any, value: Any, path_param_names: set[str]) -> ParamDetails:
    """Find out what a parameter is: a field of the request, a dependency, or injected."""
    is_path_param = param_name in path_param_names
    if is_typealiastype(annotation):
        annotation = annotation.__value__
    use_annotation: Any = Any if annotation is inspect.Signature.empty else annotation
    type_annotation = use_annotation
    info: FieldInfo | None = None
    depends: params.Depends | None = None
    if get_origin(use_annotation) is Annotated:
        type_annotation = get_args(annotation)[0]
        info, depends = _from_annotated(param_name, use_annotation, value, is_path_param)
    if isinstance(value, params.Depends):
        assert depends is None, f"Cannot specify `Depends` in `Annotated` and default value together for {param_name!r}"
        assert info is None, (
            "Cannot specify a FastAPI annotation in `Annotated` and `Depends` as a"
            f" default value together for {param_name!r}"
        )
        depends = value
    elif isinstance(value, FieldInfo):
        assert info is None, (
            f"Cannot specify FastAPI annotations in `Annotated` and default value together for {param_name!r}"
        )
        info = value
        info.annotation = type_annotation
    if depends is not None and depends.dependency is None:
        depends = dataclasses.replace(depends, dependency=type_annotation)
    injected = tuple(kind for kind, _ in _INJECTED)
    if depends is None and lenient_issubclass(type_annotation, injected):
        assert info is None, f"Cannot specify FastAPI annotation for type {type_annotation!r}"
    elif info is None and depends is None:
        info = _inferred(use_annotation, type_annotation, value, is_path_param)
    field = None
    if info is not None:
        field = _make_field(param_name, use_annotation, info, path_param_names)
    return ParamDetails(type_annotation=type_annotation, depends=depends, field=field)


# ---- the tree ----


def add_non_field_param_to_dependency(*, param_name: str, type_annotation: Any, dependant: Dependant) -> bool | None:
    """Note a parameter that is injected by its type."""
    for kind, attribute in _INJECTED:
        if lenient_issubclass(type_annotation, kind):
            setattr(dependant, attribute, param_name)
            return True
    return None


def add_param_to_fields(*, field: ModelField, dependant: Dependant) -> None:
    """Put a field into the list of the place where it is."""
    place = getattr(field.field_info, "in_", None)
    assert isinstance(place, params.ParamTypes), (
        f"non-body parameters must be in path, query, header or cookie: {field.name}"
    )
    cast(list[ModelField], getattr(dependant, f"{place.value}_params")).append(field)


def _sub_dependant(parent: Dependant, name: str, depends: params.Depends, above: tuple[Any, ...]) -> Dependant:
    assert depends.dependency
    if is_any_generator(parent.call) and computed_scope(parent) == "request" and depends.scope == "function":
        call_name = getattr(parent.call, "__name__", "<unnamed_callable>")
        raise DependencyScopeError(
            f'The dependency "{call_name}" has a scope of '
            '"request", it cannot depend on dependencies with scope "function".'
        )
    refuse_cycle(depends.dependency, above)
    sub = Dependant(
        path=parent.path or "",
        call=depends.dependency,
        name=name,
        own_oauth_scopes=list(depends.scopes or []) if isinstance(depends, params.Security) else [],
        parent_oauth_scopes=(parent.parent_oauth_scopes or []) + (parent.own_oauth_scopes or []),
        use_cache=depends.use_cache,
        scope=depends.scope,
        concurrency=depends._concurrency,
    )
    _analyse(sub, above)
    return sub


def _take(dependant: Dependant, parameter: inspect.Parameter, above: tuple[Any, ...]) -> None:
    """Find out what a parameter is, and put it where it belongs."""
    details = analyze_param(
        param_name=parameter.name,
        annotation=parameter.annotation,
        value=parameter.default,
        path_param_names=get_path_param_names(dependant.path or ""),
    )
    if details.depends is not None:
        dependant.dependencies.append(_sub_dependant(dependant, parameter.name, details.depends, above))
    elif add_non_field_param_to_dependency(
        param_name=parameter.name,
        type_annotation=details.type_annotation,
        dependant=dependant,
    ):
        assert details.field is None, f"Cannot specify multiple FastAPI annotations for {parameter.name!r}"
    else:
        assert details.field is not None
        if isinstance(details.field.field_info, params.Body):
            dependant.body_params.append(details.field)
        else:
            add_param_to_fields(field=details.field, dependant=dependant)


def _analyse(dependant: Dependant, above: tuple[Any, ...]) -> None:
    """Take all parameters of a callable; `above` has the callables that need it."""
    call: Any = dependant.call
    for parameter in get_typed_signature(call).parameters.values():
        try:
            _take(dependant, parameter, (*above, call))
        except Exception as exc:
            note_parameter(exc, parameter.name, call)
            raise


def get_dependant(
    *,
    path: str,
    call: Callable[..., Any],
    name: str | None = None,
    own_oauth_scopes: list[str] | None = None,
    parent_oauth_scopes: list[str] | None = None,
    use_cache: bool = True,
    scope: Scope | None = None,
    concurrency: _DependencyConcurrency | None = None,
) -> Dependant:
    """Analyse a callable and everything that it depends on."""
    dependant = Dependant(
        call=call,
        name=name,
        path=path,
        use_cache=use_cache,
        scope=scope,
        concurrency=concurrency,
        own_oauth_scopes=own_oauth_scopes,
        parent_oauth_scopes=parent_oauth_scopes,
    )
    _analyse(dependant, ())
    return dependant


def replaced(dependant: Dependant, overrides: dict[Any, Any]) -> Dependant:
    """What is called in a dependency's place: itself, or what the overrides put there."""
    if not overrides or dependant.call not in overrides:
        return dependant
    return get_dependant(
        path=dependant.path or "",
        call=overrides[dependant.call],
        name=dependant.name,
        parent_oauth_scopes=oauth_scopes(dependant),
        scope=dependant.scope,
        concurrency=dependant.concurrency,
    )


def get_parameterless_sub_dependant(*, depends: params.Depends, path: str) -> Dependant:
    """Analyse a dependency whose result nobody takes."""
    assert callable(depends.dependency), "A parameter-less dependency must have a callable dependency"
    scopes = list(depends.scopes or []) if isinstance(depends, params.Security) else []
    return get_dependant(
        path=path,
        call=depends.dependency,
        scope=depends.scope,
        concurrency=depends._concurrency,
        own_oauth_scopes=scopes,
    )
