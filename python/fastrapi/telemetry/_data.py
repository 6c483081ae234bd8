"""What an application may set, and what is known of a request that is traced."""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import time_ns
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry._logs import Logger, LoggerProvider, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, StatusCode, Tracer, TracerProvider
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import Request
from starlette.websockets import WebSocket, WebSocketDisconnect
from typing_extensions import TypedDict

from ..exceptions import RequestValidationError, WebSocketRequestValidationError


class TelemetryConfig(TypedDict, total=False):
    """
    What `FastrAPI(telemetry=...)` takes; all of it is optional.

    Providers that are not given are OpenTelemetry's global ones. `tracing`,
    `metrics`, `logs` and `operation_spans` are on unless they are set to False;
    `exclude` gets an ASGI scope and says whether to pass it over;
    `auto_configure` adds exporters that the environment names.
    """

    tracer_provider: TracerProvider | None
    meter_provider: MeterProvider | None
    logger_provider: LoggerProvider | None
    tracing: bool
    metrics: bool
    logs: bool
    operation_spans: bool
    auto_configure: bool
    exclude: Callable[[MutableMapping[str, Any]], bool] | None


@dataclass(kw_only=True)
class TelemetryData:
    """
    A request or WebSocket as processors and integrations see it, while it lasts.

    `values` are the arguments of the endpoint, `errors` what is wrong with the
    request. It is not exported.
    """

    request: Request | None = None
    websocket: WebSocket | None = None
    body: Any = None
    values: dict[str, Any] | None = None
    errors: Sequence[Any] | None = None


KEY = otel_context.create_key("fastapi.request")
SCOPE = "fastapi.telemetry"

# They say what to answer; they are not failures.
_ANSWERS = (HTTPException, RequestValidationError, WebSocketException, WebSocketRequestValidationError)


def type_name(exc: BaseException) -> str:
    cls = type(exc)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def is_farewell(exc: BaseException) -> bool:
    """Whether a WebSocket's client has left in good order."""
    return isinstance(exc, WebSocketDisconnect) and exc.code in (1000, 1001)


def _function_name(function: Any) -> str:
    owner = function if hasattr(function, "__qualname__") else type(function)
    module = getattr(function, "__module__", None) or type(function).__module__
    return f"{module}.{owner.__qualname__}"


@dataclass(kw_only=True, eq=False)
class RequestTelemetry:
    """One request or WebSocket that is traced, metered or logged."""

    method: str
    span: Span | None = None
    tracer: Tracer | None = None
    logger: Logger | None = None
    prefix: str = ""
    route: str | None = None
    status: int | None = None
    data: TelemetryData | None = field(default_factory=TelemetryData)
    exceptions: list[BaseException] = field(default_factory=list, repr=False)

    def select(self, path: str | None, *, is_mount: bool = False) -> None:
        """Note the route that was chosen; a mount's own routes follow."""
        if path is None:
            return
        if is_mount:
            self.prefix += path.removesuffix("/{path}")
            path = "/{path}"
        self.route = self.prefix + path
        if self.span is not None:
            self.span.set_attribute("http.route", self.route)
            self.span.update_name(f"{self.method} {self.route}")

    @contextmanager
    def operation(self, name: str, function: Any) -> Iterator[None]:
        """A span around a part of the request."""
        if self.tracer is None:
            yield
            return
        attributes = {} if function is None else {"code.function.name": _function_name(function)}
        with self.tracer.start_as_current_span(
            f"fastapi.{name}", attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as exc:
                expected = name != "background_task" and isinstance(exc, _ANSWERS)
                if not expected and (name == "background_task" or not is_farewell(exc)):
                    span.set_attribute("error.type", type_name(exc))
                    span.set_status(StatusCode.ERROR)
                raise

    def call(self, name: str, function: Callable[..., Any], values: dict[str, Any]) -> Any:
        """Call a function inside a span of its own, in the thread that this runs in."""
        with self.operation(name, function):
            return function(**values)

    def log(self, severity: SeverityNumber, event: str, text: str, **more: Any) -> None:
        if self.logger is None:
            return
        attributes = more.pop("attributes", {})
        if self.route:
            attributes["http.route"] = self.route
        self.logger.emit(
            event_name=event,
            timestamp=time_ns(),
            severity_number=severity,
            severity_text=severity.name,
            body=text,
            attributes=attributes or None,
            **more,
        )

    def invalid(self, exc: RequestValidationError | WebSocketRequestValidationError) -> None:
        """Note that the request does not fit its declaration."""
        if self.data is not None:
            self.data.body = getattr(exc, "body", self.data.body)
            self.data.errors = exc.errors()
        self.log(
            SeverityNumber.WARN,
            "fastapi.validation.failed",
            "Request validation failed",
            attributes={"fastapi.validation.error_count": len(exc.errors())},
        )

    def failed(self, exc: BaseException, *, is_websocket: bool) -> None:
        """Note an exception that nothing handled, once."""
        if is_websocket and is_farewell(exc):
            return
        if any(known is exc for known in self.exceptions):
            return
        self.exceptions.append(exc)
        if isinstance(exc, Exception):
            what = "WebSocket connection" if is_websocket else "request"
            event = "fastapi.websocket.exception" if is_websocket else "http.server.request.exception"
            self.log(SeverityNumber.ERROR, event, f"Unhandled exception in FastAPI {what}", exception=exc)


def current(context: Context | None = None) -> RequestTelemetry | None:
    """The request that is traced in a context."""
    found = otel_context.get_value(KEY, context)
    return found if isinstance(found, RequestTelemetry) else None


def get_telemetry_data(context: Context | None = None) -> TelemetryData | None:
    """
    What is known of the request of a context, by default the current one.

    None when there is none, and after the request is over.
    """
    found = current(context)
    return None if found is None else found.data
