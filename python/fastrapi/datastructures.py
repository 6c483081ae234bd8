"""Data structures: Starlette's, and uploads and defaults as this package needs them."""

from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar, cast

from pydantic import GetJsonSchemaHandler
from pydantic_core.core_schema import with_info_plain_validator_function
from starlette.datastructures import URL as URL
from starlette.datastructures import Address as Address
from starlette.datastructures import FormData as FormData
from starlette.datastructures import Headers as Headers
from starlette.datastructures import QueryParams as QueryParams
from starlette.datastructures import State as State
from starlette.datastructures import UploadFile as StarletteUploadFile


class UploadFile(StarletteUploadFile):
    """
    A file that came with a request.

    `file` is the file itself, for code that may block; the methods here are for
    `async def` functions and do their work in a thread where it could block.

    ```python
    @app.post("/upload")
    async def upload(file: UploadFile):
        return {"name": file.filename, "size": len(await file.read())}
    ```
    """

    file: BinaryIO
    filename: str | None
    size: int | None
    headers: Headers
    content_type: str | None

    async def write(self, data: bytes) -> None:
        """Write bytes at the current position."""
        await super().write(data)

    async def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, or all that is left."""
        return await super().read(size)

    async def seek(self, offset: int) -> None:
        """Go to a position, counted in bytes from the start."""
        await super().seek(offset)

    async def close(self) -> None:
        """Close the file."""
        await super().close()

    @classmethod
    def _validate(cls, __input_value: Any, _: Any) -> "UploadFile":
        if not isinstance(__input_value, StarletteUploadFile):
            raise ValueError(f"Expected UploadFile, received: {type(__input_value)}")
        return cast(UploadFile, __input_value)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: Mapping[str, Any], handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "contentMediaType": "application/octet-stream"}

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: Callable[[Any], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], with_info_plain_validator_function(cls._validate))


class DefaultPlaceholder:
    """Marks a default, so that a value given on purpose differs from it even when equal."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __eq__(self, o: object) -> bool:
        return isinstance(o, DefaultPlaceholder) and o.value == self.value

    __hash__ = None  # type: ignore[assignment]


DefaultType = TypeVar("DefaultType")


def Default(value: DefaultType) -> DefaultType:
    """Mark `value` as a default; for the package's own signatures."""
    return cast(DefaultType, DefaultPlaceholder(value))


# What a parameter's option is when nobody gave it.
_Unset: Any = Default(None)
