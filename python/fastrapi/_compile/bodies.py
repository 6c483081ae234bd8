"""Bodies: how a route's body parameters share one body, and models that are forms."""

from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Tag

from .. import params
from ..logger import logger
from ..utils import create_model_field
from .aliases import is_json_field
from .annotations import is_union, lenient_issubclass
from .dependant import Dependant, model_of
from .fields import ModelField, create_body_model

_INSTALL = 'You can install "python-multipart" with: \n\npip install python-multipart\n'
multipart_not_installed_error = 'Form data requires "python-multipart" to be installed. \n' + _INSTALL
multipart_incorrect_install_error = (
    'Form data requires "python-multipart" to be installed. '
    'It seems you installed "multipart" instead. \n'
    'You can remove "multipart" with: \n\npip uninstall multipart\n\n' + _INSTALL
)


def ensure_multipart_is_installed() -> None:
    """Say so when an application declares a form that nothing can parse."""
    try:
        from python_multipart import __version__

        if __version__ > "0.0.12":
            return
    except ImportError:
        pass
    message = multipart_not_installed_error
    try:
        import multipart  # type: ignore[import-not-found,import-untyped,unused-ignore]

        if getattr(multipart, "__version__", None):
            # The package that is wanted used to have the same name.
            try:
                from multipart.multipart import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
                    parse_options_header,
                )

                if parse_options_header:
                    return
            except ImportError:
                message = multipart_incorrect_install_error
    except ImportError:
        pass
    logger.error(message)
    raise RuntimeError(message)


def union_models(annotation: Any) -> list[type[BaseModel]]:
    """The models of a union of several; else none."""
    if not is_union(annotation):
        return []
    models = []
    for arg in get_args(annotation):
        if arg is type(None):
            continue
        if get_origin(arg) is Annotated:
            arg = get_args(arg)[0]
        if not lenient_issubclass(arg, BaseModel):
            return []
        models.append(arg)
    return models if len(models) > 1 else []


def with_form_validators(annotation: Any) -> Any:
    """A union of form models, each of which reads the raw form in its own way."""
    from .._runtime.forms import normalize_form_model

    choices: list[Any] = []
    for choice in get_args(annotation):
        if choice is type(None):
            choices.append(choice)
            continue
        model, metadata = choice, []
        if get_origin(choice) is Annotated:
            model, *metadata = get_args(choice)
        tags = [item for item in metadata if isinstance(item, Tag)]
        tag = tags[-1] if tags else Tag(model.__name__)
        reader = BeforeValidator(partial(normalize_form_model, model=model))
        choices.append(Annotated[choice, reader, tag])
    return Union[tuple(choices)]  # noqa: UP007


def form_models(field: ModelField) -> list[type[BaseModel]]:
    """The models that take the whole form, if the parameter is one of them."""
    info = field.field_info
    if not isinstance(info, params.Form) or info.embed or is_json_field(field):
        return []
    model = model_of(info.annotation)
    return union_models(info.annotation) if model is None else [model]


def flat_body_params(dependant: Dependant) -> list[ModelField]:
    """The body parameters of a dependant and of all below it."""
    fields = list(dependant.body_params)
    for sub in dependant.dependencies:
        fields += flat_body_params(sub)
    return fields


def should_embed(fields: list[ModelField]) -> bool:
    """Whether each parameter is one key of the body, rather than the one being the body."""
    if not fields:
        return False
    # The same parameter may be declared by several dependencies.
    if len({field.name for field in fields}) > 1:
        return True
    first = fields[0]
    info = first.field_info
    is_form_model = bool(form_models(first))
    if is_form_model and any(
        not form_models(field) or field.field_info.annotation is not info.annotation for field in fields[1:]
    ):
        return True
    if getattr(info, "embed", None):
        return True
    return isinstance(info, params.Form) and not lenient_issubclass(info.annotation, BaseModel) and not is_form_model


def _media_types(fields: Sequence[ModelField], kind: type[params.Body]) -> list[str]:
    infos = [field.field_info for field in fields]
    return [info.media_type for info in infos if isinstance(info, kind)]


def _combined(fields: list[ModelField], model: type[BaseModel]) -> ModelField:
    infos = [field.field_info for field in fields]
    options: dict[str, Any] = {"annotation": model, "alias": "body"}
    if not any(info.is_required() for info in infos):
        options["default"] = None
    kind: type[params.Body] = params.Body
    if any(isinstance(info, params.File) for info in infos):
        kind = params.File
    elif any(isinstance(info, params.Form) for info in infos):
        kind = params.Form
    if kind is not params.File:
        types = _media_types(fields, kind)
        if kind is params.Form and "multipart/form-data" in types:
            options["media_type"] = "multipart/form-data"
        elif len(set(types)) == 1:
            options["media_type"] = types[0]
    info = kind(**options)
    return create_model_field(name="body", type_=model, alias="body", field_info=info)


def get_body_field(*, body_params: list[ModelField], name: str, embed_body_fields: bool) -> ModelField | None:
    """
    One field that stands for the whole body: form or JSON, and its schema.

    Nothing is validated with it; each body parameter is validated on its own.
    """
    if not body_params:
        return None
    first = body_params[0]
    optional_form = any(
        form_models(field) and type(None) in get_args(field.field_info.annotation) for field in body_params
    )
    if not embed_body_fields and not optional_form:
        return first
    if any(form_models(field) for field in body_params):
        from .form_schema import form_body_model

        model = form_body_model(body_params, "Body_" + name)
    else:
        model = create_body_model(fields=body_params, model_name="Body_" + name)
    if embed_body_fields:
        return _combined(body_params, model)
    info = copy(first.field_info)
    info.annotation = model
    info.metadata = []
    info.discriminator = None
    return ModelField(name=first.name, field_info=info)
