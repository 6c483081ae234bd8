"""What an application, a router or a route may set for the server: limits, and where `def` runs."""

from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import ConfigDict, NonNegativeInt, TypeAdapter, with_config
from typing_extensions import TypedDict

T = TypeVar("T")


@with_config(ConfigDict(strict=True, extra="forbid"))
class FormLimits(TypedDict, total=False):
    """How much a form may hold: text fields, files, and bytes in one text field."""

    max_fields: Annotated[NonNegativeInt, "text fields"]
    max_files: Annotated[NonNegativeInt, "files"]
    max_part_size: Annotated[NonNegativeInt, "bytes in one text field"]


_adapter: TypeAdapter[Any] = TypeAdapter(FormLimits)


def checked_form_limits(limits: FormLimits | None) -> FormLimits:
    if limits is None:
        return {}
    result: FormLimits = _adapter.validate_python(limits)
    return result


def check_max_body_size(size: int | None) -> None:
    if size is None:
        return
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError("max_body_size must be a non-negative integer or None")


# As the server's configuration key of that name (docs/def-placement.md).
SyncHandlers = Literal["auto", "inline", "threads"]


def check_sync_handlers(mode: SyncHandlers | None) -> None:
    if mode is not None and mode not in get_args(SyncHandlers):
        raise ValueError(f"sync_handlers must be 'auto', 'inline', 'threads' or None, not {mode!r}")


def first_given(*values: T | None) -> T | None:
    """The first value that is set: the most specific one."""
    return next((value for value in values if value is not None), None)
