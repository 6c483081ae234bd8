"""The exceptions that applications raise, catch and register handlers for."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from pydantic import BaseModel, create_model
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.exceptions import WebSocketException as StarletteWebSocketException


class EndpointContext(TypedDict, total=False):
    """Where an endpoint is defined, for messages."""

    function: str
    path: str
    file: str
    line: int


class HTTPException(StarletteHTTPException):
    """
    Ends a request with an error answer of the endpoint's choosing.

    `detail` may be anything that can be encoded as JSON.

    ```python
    raise HTTPException(status_code=404, detail="No such item")
    ```
    """

    def __init__(
        self,
        status_code: int,
        detail: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status_code=status_code, detail=detail, headers=headers)


class WebSocketException(StarletteWebSocketException):
    """Closes a WebSocket with a close code and an optional reason."""

    def __init__(self, code: int, reason: str | None = None) -> None:
        super().__init__(code=code, reason=reason)


RequestErrorModel: type[BaseModel] = create_model("Request")
WebSocketErrorModel: type[BaseModel] = create_model("WebSocket")


class FastAPIError(RuntimeError):
    """The application is put together wrongly."""


class DependencyScopeError(FastAPIError):
    """A dependency would outlive one that it depends on."""


class ValidationException(Exception):
    """Data that does not fit its declaration; `errors()` tells what is wrong with it."""

    def __init__(self, errors: Sequence[Any], *, endpoint_ctx: EndpointContext | None = None) -> None:
        self._errors = errors
        self.endpoint_ctx = endpoint_ctx
        where: EndpointContext = endpoint_ctx or {}
        self.endpoint_function = where.get("function")
        self.endpoint_path = where.get("path")
        self.endpoint_file = where.get("file")
        self.endpoint_line = where.get("line")

    def errors(self) -> Sequence[Any]:
        """The errors, as Pydantic describes them, with the place in the request as `loc`."""
        return self._errors

    def _where(self) -> list[str]:
        path = self.endpoint_path
        if self.endpoint_file and self.endpoint_line and self.endpoint_function:
            place = f'File "{self.endpoint_file}", line {self.endpoint_line}'
            lines = [f"  {place}, in {self.endpoint_function}"]
            return [*lines, f"    {path}"] if path else lines
        return [f"  Endpoint: {path}"] if path else []

    def __str__(self) -> str:
        count = len(self._errors)
        lines = [f"{count} validation error{'' if count == 1 else 's'}:"]
        lines += [f"  {error}" for error in self._errors]
        where = self._where()
        return "\n".join([*lines, "", *where] if where else lines).rstrip()


class _BodyValidationException(ValidationException):
    """One that also holds the data, as it was."""

    def __init__(
        self,
        errors: Sequence[Any],
        *,
        body: Any = None,
        endpoint_ctx: EndpointContext | None = None,
    ) -> None:
        super().__init__(errors, endpoint_ctx=endpoint_ctx)
        self.body = body


class RequestValidationError(_BodyValidationException):
    """A request does not fit what its endpoint declares: 422."""


class WebSocketRequestValidationError(ValidationException):
    """A WebSocket's parameters do not fit what its endpoint declares."""


class ResponseValidationError(_BodyValidationException):
    """An endpoint returned what its response model does not allow: our side's fault, 500."""


class PydanticV1NotSupportedError(FastAPIError):
    """A model of `pydantic.v1` was used."""


class FastAPIDeprecationWarning(UserWarning):
    """Something still works and will go; shown by default, unlike DeprecationWarning."""


class FastrAPIDeclarationWarning(UserWarning):
    """A declaration that FastAPI accepts and that can hardly be meant; docs/errors.md lists them."""
