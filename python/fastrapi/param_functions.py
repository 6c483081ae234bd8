"""The functions that declare parameters: Path(), Query(), Depends() and the like."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Unpack

from . import params
from ._compile.fields import Undefined
from ._signature import spelled
from .params import FIELD_OPTIONS, FILE_MEDIA_TYPE, FORM_MEDIA_TYPE, FieldOptions, option_names


@spelled(FIELD_OPTIONS, option_names())
def Path(default: Any = ..., **options: Unpack[FieldOptions]) -> Any:
    """
    Declare a parameter of the path.

    ```python
    @app.get("/items/{item_id}")
    def item(item_id: Annotated[int, Path(ge=1)]): ...
    ```

    `gt`, `ge`, `lt`, `le`, `multiple_of`, `min_length`, `max_length` and `pattern`
    bound the value; `alias` is its name in the path if the parameter's is another;
    `title`, `description`, `examples`, `deprecated` and `include_in_schema` concern
    the documentation.
    """
    return params.Path(default, **options)


@spelled(FIELD_OPTIONS, option_names())
def Query(default: Any = Undefined, **options: Unpack[FieldOptions]) -> Any:
    """
    Declare a parameter of the query string.

    A list type takes every value of a repeated name; a Pydantic model takes all
    parameters at once. The options are those of `Path`, and `default` or
    `default_factory` make it optional.
    """
    return params.Query(default, **options)


@spelled(FIELD_OPTIONS, option_names("convert_underscores"))
def Header(default: Any = Undefined, **options: Unpack[FieldOptions]) -> Any:
    """
    Declare a parameter from a header field.

    The name is looked up without regard to case and with hyphens for
    underscores; `convert_underscores=False` keeps the underscores.
    """
    return params.Header(default, **options)


@spelled(FIELD_OPTIONS, option_names())
def Cookie(default: Any = Undefined, **options: Unpack[FieldOptions]) -> Any:
    """Declare a parameter from a cookie."""
    return params.Cookie(default, **options)


@spelled(FIELD_OPTIONS, option_names("embed", "media_type"))
def Body(default: Any = Undefined, **options: Unpack[FieldOptions]) -> Any:
    """
    Declare that a parameter is the JSON body, or a field of it.

    A single body parameter is the whole body unless `embed=True`; with several,
    each is the field of its name.
    """
    return params.Body(default, **options)


@spelled(FIELD_OPTIONS, option_names("media_type"), media_type=FORM_MEDIA_TYPE)
def Form(default: Any = Undefined, **options: Unpack[FieldOptions]) -> Any:
    """Declare a field of a form; a Pydantic model takes the form's fields at once."""
    return params.Form(default, **options)


@spelled(FIELD_OPTIONS, option_names("media_type"), media_type=FILE_MEDIA_TYPE)
def File(default: Any = Undefined, **options: Unpack[FieldOptions]) -> Any:
    """Declare an uploaded file: `bytes` for its content, `UploadFile` for the file."""
    return params.File(default, **options)


def Depends(
    dependency: Callable[..., Any] | None = None,
    *,
    use_cache: bool = True,
    scope: Literal["function", "request"] | None = None,
    max_concurrency: int | None = None,
) -> Any:
    """
    Declare that a function provides the parameter.

    The function's own parameters are filled like an endpoint's. Within one
    request it is called once, unless `use_cache=False`. Without an argument the
    parameter's type is called. After a `yield` it goes on when the answer has
    been sent (`scope="request"`) or before that (`scope="function"`).
    `max_concurrency` bounds how many of its calls run at the same time.
    """
    return params.Depends(dependency=dependency, use_cache=use_cache, scope=scope, max_concurrency=max_concurrency)


def Security(
    dependency: Callable[..., Any] | None = None,
    *,
    scopes: Sequence[str] | None = None,
    use_cache: bool = True,
) -> Any:
    """Like `Depends`, with scopes that `SecurityScopes` hands to what it depends on."""
    return params.Security(dependency=dependency, scopes=scopes, use_cache=use_cache)
