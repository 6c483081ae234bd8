"""Small things that applications and plugins import from here."""

import re
import warnings
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PydanticSchemaGenerationError
from pydantic.fields import FieldInfo

from ._compile.fields import ModelField, Undefined, annotation_is_pydantic_v1
from .datastructures import DefaultPlaceholder, DefaultType
from .exceptions import FastAPIDeprecationWarning, FastAPIError, PydanticV1NotSupportedError

if TYPE_CHECKING:
    from .routing import APIRoute

_STATUS_CLASSES = frozenset({"default", "1XX", "2XX", "3XX", "4XX", "5XX"})


def is_body_allowed_for_status_code(status_code: int | str | None) -> bool:
    """Whether an answer with this status may have a body."""
    if status_code is None or status_code in _STATUS_CLASSES:
        return True
    number = int(status_code)
    return number >= 200 and number not in (204, 205, 304)


def get_path_param_names(path: str) -> set[str]:
    """The names between braces in a path."""
    return set(re.findall("{(.*?)}", path))


_INVALID_FIELD = (
    "Invalid args for response field! Hint: "
    "check that {type_} is a valid Pydantic field type. "
    "If you are using a return type annotation that is not a valid Pydantic "
    "field (e.g. Union[Response, dict, None]) you can disable generating the "
    "response model from the type annotation with the path operation decorator "
    "parameter response_model=None. Read more: "
    "https://fastapi.tiangolo.com/tutorial/response-model/"
)


def create_model_field(
    name: str,
    type_: Any,
    default: Any | None = Undefined,
    field_info: FieldInfo | None = None,
    alias: str | None = None,
    mode: Literal["validation", "serialization"] = "validation",
) -> ModelField:
    """Make a field that validates and serializes values of `type_`."""
    if annotation_is_pydantic_v1(type_):
        raise PydanticV1NotSupportedError(
            f"pydantic.v1 models are no longer supported by FastAPI. Please update the response model {type_!r}."
        )
    if field_info is None:
        field_info = FieldInfo(annotation=type_, default=default, alias=alias)
    try:
        return ModelField(mode=mode, name=name, field_info=field_info)
    except PydanticSchemaGenerationError:
        raise FastAPIError(_INVALID_FIELD.format(type_=type_)) from None


def generate_operation_id_for_path(*, name: str, path: str, method: str) -> str:
    """Deprecated: an operation's id from its parts."""
    warnings.warn(
        "fastapi.utils.generate_operation_id_for_path() was deprecated, "
        "it is not used internally, and will be removed soon",
        category=FastAPIDeprecationWarning,
        stacklevel=2,
    )
    return re.sub(r"\W", "_", f"{name}{path}") + f"_{method.lower()}"


def generate_unique_id(route: "APIRoute") -> str:
    """The id of a route's operation unless the application chooses another."""
    assert route.methods
    # The first of a set: with one method, as nearly always, there is no choice.
    return re.sub(r"\W", "_", f"{route.name}{route.path_format}") + f"_{_first(route).lower()}"


def _first(route: "APIRoute") -> str:
    assert route.methods
    return next(iter(route.methods))


def deep_dict_update(main_dict: dict[Any, Any], update_dict: dict[Any, Any]) -> None:
    """Merge `update_dict` into `main_dict`: dicts by key, lists by appending."""
    for key, value in update_dict.items():
        present = main_dict.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            deep_dict_update(present, value)
        elif isinstance(present, list) and isinstance(value, list):
            main_dict[key] = present + value
        else:
            main_dict[key] = value


def get_value_or_default(
    first_item: DefaultPlaceholder | DefaultType,
    *extra_items: DefaultPlaceholder | DefaultType,
) -> DefaultPlaceholder | DefaultType:
    """The first item that someone gave, else the first default."""
    for item in (first_item, *extra_items):
        if not isinstance(item, DefaultPlaceholder):
            return item
    return first_item
