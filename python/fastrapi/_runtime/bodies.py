"""Bodies: JSON or bytes, by the content type; and what goes wrong while reading them."""

import email.message
import json
from typing import Any

from starlette.exceptions import HTTPException

from .errors import body_parse_error, json_decode_error, request_validation_error


def is_json_type(content_type: str | None, strict: bool) -> bool:
    """Whether a body of this type is parsed; without a type, unless that is strict."""
    if not content_type:
        return not strict
    message = email.message.Message()
    message["content-type"] = content_type
    if message.get_content_maintype() != "application":
        return False
    subtype = message.get_content_subtype()
    return subtype == "json" or subtype.endswith("+json")


def parse_json_body(route: Any, content_type: str | None, body: bytes, strict: bool) -> Any:
    """A body as it is validated: parsed JSON, or the bytes."""
    return json.loads(body) if is_json_type(content_type, strict) else body


def body_error(
    exc: Exception,
    route: Any = None,
    request_method: str | None = None,
    root_path: str | None = None,
) -> Exception:
    """The exception for one that was raised while a body was read."""
    if isinstance(exc, json.JSONDecodeError):
        error = request_validation_error(json_decode_error(exc), exc.doc, route, request_method, root_path)
        error.__cause__ = exc
        return error
    if isinstance(exc, HTTPException):
        return exc
    return body_parse_error(exc)
