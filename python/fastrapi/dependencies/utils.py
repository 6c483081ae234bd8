"""How dependencies are analysed: what plugins import from here."""

from collections.abc import Mapping, Sequence
from typing import Any

from .. import params
from .._compile.aliases import validation_name
from .._compile.annotations import lenient_issubclass as lenient_issubclass
from .._compile.bodies import ensure_multipart_is_installed as ensure_multipart_is_installed
from .._compile.bodies import flat_body_params as _get_flat_body_params  # noqa: F401
from .._compile.bodies import get_body_field as _get_body_field  # noqa: F401
from .._compile.bodies import multipart_incorrect_install_error as multipart_incorrect_install_error
from .._compile.bodies import multipart_not_installed_error as multipart_not_installed_error
from .._compile.dependant import Dependant, evaluated
from .._compile.dependant import ParamDetails as ParamDetails
from .._compile.dependant import add_non_field_param_to_dependency as add_non_field_param_to_dependency
from .._compile.dependant import add_param_to_fields as add_param_to_fields
from .._compile.dependant import analyze_param as analyze_param
from .._compile.dependant import get_dependant as get_dependant
from .._compile.dependant import get_parameterless_sub_dependant as get_parameterless_sub_dependant
from .._compile.dependant import get_stream_item_type as get_stream_item_type
from .._compile.dependant import get_typed_return_annotation as get_typed_return_annotation
from .._compile.dependant import get_typed_signature as get_typed_signature
from .._compile.fields import Errors
from .._compile.fields import ModelField as ModelField
from .._runtime.forms import BodyReader
from .._runtime.hooks import SolvedDependency as SolvedDependency
from .._runtime.hooks import solve_dependencies as solve_dependencies
from .._runtime.params import ParamReader


def get_typed_annotation(annotation: Any, globalns: dict[str, Any]) -> Any:
    """An annotation, evaluated if it is text."""
    return evaluated(annotation, globalns)


def get_validation_alias(field: ModelField) -> str:
    """The name by which a value is validated."""
    return validation_name(field)


def get_flat_params(dependant: Dependant) -> list[ModelField]:
    """The parameters of a dependant and of those below it, by place; models by their fields."""
    from ..openapi.operations import distinct_dependants, flat_params

    dependants = [one for one, _ in distinct_dependants(dependant)]
    return [
        field
        for place in ("path", "query", "header", "cookie")
        for one in dependants
        for parent in getattr(one, f"{place}_params")
        for field in flat_params(parent)
    ]


def request_params_to_args(
    fields: Sequence[ModelField], received_params: Mapping[str, Any]
) -> tuple[dict[str, Any], Errors]:
    """The arguments that a mapping, as of query parameters, gives; and what is wrong with it."""
    values: dict[str, Any] = {}
    errors: Errors = []
    for field in fields:
        info = field.field_info
        assert isinstance(info, params.Param)
        value, wrong = ParamReader(field, info.in_.value)(values, received_params)
        if wrong:
            errors += wrong
        else:
            values[field.name] = value
    return values, errors


async def request_body_to_args(
    body_fields: list[ModelField], received_body: Any, embed_body_fields: bool
) -> tuple[dict[str, Any], Errors]:
    """The arguments that a body, parsed JSON or a form, gives; and what is wrong with it."""
    return await BodyReader(body_fields, embed_body_fields)(received_body)
