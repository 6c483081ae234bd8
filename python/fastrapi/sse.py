"""Server-sent events."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, model_validator
from starlette.responses import StreamingResponse

_SSE_EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "data": {"type": "string"},
        "event": {"type": "string"},
        "id": {"type": "string"},
        "retry": {"type": "integer", "minimum": 0},
    },
}


class EventSourceResponse(StreamingResponse):
    """As `response_class` of an endpoint that yields: each item becomes one event."""

    media_type = "text/event-stream"


def _one_line(value: str | None, field_name: str) -> str | None:
    if value is not None and ("\r" in value or "\n" in value):
        raise ValueError(f"SSE '{field_name}' must be a single line")
    return value


def _check_event(value: str | None) -> str | None:
    return _one_line(value, "event")


def _check_id(value: str | None) -> str | None:
    if value is not None and "\0" in value:
        raise ValueError("SSE 'id' must not contain null characters")
    return _one_line(value, "id")


class ServerSentEvent(BaseModel):
    """
    One event, where more than its data matters.

    `data` is encoded as JSON, a string too; `raw_data` is sent as it is. Give at
    most one of them. `retry` is in milliseconds.
    """

    data: Any = None
    raw_data: str | None = None
    event: Annotated[str | None, AfterValidator(_check_event)] = None
    id: Annotated[str | None, AfterValidator(_check_id)] = None
    retry: Annotated[int | None, Field(ge=0)] = None
    comment: str | None = None

    @model_validator(mode="after")
    def _one_payload(self) -> "ServerSentEvent":
        if self.data is not None and self.raw_data is not None:
            raise ValueError(
                "Cannot set both 'data' and 'raw_data' on the same "
                "ServerSentEvent. Use 'data' for JSON-serialized payloads "
                "or 'raw_data' for pre-formatted strings."
            )
        return self


def _lines(name: str, value: str) -> list[str]:
    # Only the line ends that the format knows, unlike str.splitlines().
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return [f"{name}: {line}" for line in text.split("\n")]


def format_sse_event(
    *,
    data_str: str | None = None,
    event: str | None = None,
    id: str | None = None,
    retry: int | None = None,
    comment: str | None = None,
) -> bytes:
    """One event as bytes; the data must be text already."""
    lines: list[str] = []
    if comment is not None:
        lines += _lines("", comment)
    if event is not None:
        lines.append(f"event: {event}")
    if data_str is not None:
        lines += _lines("data", data_str)
    if id is not None:
        lines.append(f"id: {id}")
    if retry is not None:
        lines.append(f"retry: {retry}")
    return ("\n".join(lines) + "\n\n" if lines else "\n").encode("utf-8")


KEEPALIVE_COMMENT = b": ping\n\n"

# Seconds of silence before a comment keeps the connection alive.
_PING_INTERVAL: float = 15.0
