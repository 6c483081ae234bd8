"""Telemetry around an application's requests and WebSockets."""

import os
from contextlib import nullcontext
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry import context as otel_context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import __version__
from ._data import KEY, SCOPE, RequestTelemetry, TelemetryConfig, is_farewell, type_name

SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
# In seconds, as the semantic conventions advise.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
METHODS = "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,QUERY,TRACE"
# Query parameters that are signatures and credentials.
SECRETS = ("X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "sig", "X-Goog-Signature")
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

# OpenTelemetry's providers before anybody has set one; the API can't be asked.
_UNSET = (
    ("opentelemetry.trace", "ProxyTracerProvider"),
    ("opentelemetry.metrics._internal", "_ProxyMeterProvider"),
    ("opentelemetry._logs._internal", "ProxyLoggerProvider"),
)


def is_unset(provider: Any) -> bool:
    return (type(provider).__module__, type(provider).__name__) in _UNSET


class _Fields(Getter[Headers]):
    """How a propagator reads a request's headers."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        values = carrier.getlist(key)
        # Of baggage only the first value would be read.
        return ([",".join(values)] if key.lower() == "baggage" else values) if values else None

    def keys(self, carrier: Headers) -> list[str]:
        return carrier.keys()


_fields = _Fields()


def _server(scope: Scope) -> dict[str, Any]:
    """The server as the client calls it."""
    host = Headers(scope=scope).get("host")
    if host is None:
        address, port = scope.get("server") or (None, None)
    else:
        try:
            parts = urlsplit("//" + host)
            address, port = parts.hostname, parts.port
        except ValueError:
            return {}
        if parts.username is not None or parts.path or parts.query or parts.fragment:
            return {}
        port = port or PORTS.get(scope.get("scheme", "http"))
    if address is None:
        return {}
    return {"server.address": address} | ({} if port is None else {"server.port": port})


def _query(text: bytes) -> str:
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True)
    return urlencode([(name, "REDACTED" if name in SECRETS else value) for name, value in pairs])


class Telemetry:
    """An application's telemetry."""

    def __init__(self, given: TelemetryConfig | None) -> None:
        automatic = os.environ.get("FASTAPI_OTEL_AUTO_CONFIGURE", "").lower() == "true"
        self.config: dict[str, Any] = {
            "tracer_provider": None,
            "meter_provider": None,
            "logger_provider": None,
            "tracing": True,
            "metrics": True,
            "logs": True,
            "operation_spans": True,
            "auto_configure": automatic,
            "exclude": None,
            **(given or {}),
        }
        known = os.environ.get("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "").strip() or METHODS
        self._methods = {name.strip() for name in known.split(",")} - {""}
        self._tracer: tuple[Any, Any] = (None, None)
        self._meters: tuple[Any, Any, Any] = (None, None, None)

    def _provider(self, signal: str, name: str, of_all: Any, silent: type) -> Any | None:
        """The provider of a signal, if it is on and there is one that does something."""
        if not self.config[signal]:
            return None
        own = self.config[name]
        provider = of_all() if own is None else own
        if (own is None and is_unset(provider)) or isinstance(provider, silent):
            return None
        return provider

    def _providers(self) -> tuple[Any, Any, Any]:
        return (
            self._provider("tracing", "tracer_provider", trace.get_tracer_provider, trace.NoOpTracerProvider),
            self._provider("metrics", "meter_provider", metrics.get_meter_provider, metrics.NoOpMeterProvider),
            self._provider("logs", "logger_provider", _logs.get_logger_provider, _logs.NoOpLoggerProvider),
        )

    def is_on(self) -> bool:
        """Whether anything would be told to anybody now."""
        return any(provider is not None for provider in self._providers())

    def tracer(self, provider: Any) -> Any:
        if self._tracer[0] is not provider:
            self._tracer = (provider, provider.get_tracer("fastapi", __version__, schema_url=SCHEMA))
        return self._tracer[1]

    def meters(self, provider: Any) -> tuple[Any, Any]:
        if self._meters[0] is not provider:
            meter = provider.get_meter("fastapi", __version__, schema_url=SCHEMA)
            duration = meter.create_histogram(
                "http.server.request.duration",
                unit="s",
                description="Duration of HTTP server requests.",
                explicit_bucket_boundaries_advisory=BUCKETS,
            )
            active = meter.create_up_down_counter(
                "http.server.active_requests", unit="{request}", description="Number of active HTTP server requests."
            )
            self._meters = (provider, duration, active)
        return self._meters[1:]

    def method(self, scope: Scope) -> str:
        name = scope.get("method", "")
        return name if name in self._methods else "_OTHER"

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, legacy: bool) -> None:
        """Run a request or WebSocket; `legacy`: OpenTelemetry's middleware does the work."""
        exclude = self.config["exclude"]
        if exclude is not None and exclude(scope):
            await _excluded(app, scope, receive, send)
            return
        tracing, metering, logging = (None, None, None) if legacy else self._providers()
        if scope["type"] == "websocket":
            metering = None
        if tracing is None and metering is None and logging is None:
            await app(scope, receive, send)
            return
        await _Watched(self, scope, tracing, metering, logging).run(app, receive, send)


async def _excluded(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    # Applications that are mounted don't take it up, nor is it part of the request
    # from whose endpoint it was made.
    scope[SCOPE] = None
    token = otel_context.attach(otel_context.set_value(KEY, None))
    try:
        await app(scope, receive, send)
    finally:
        otel_context.detach(token)
        scope.pop(SCOPE, None)


class _Watched:
    """One request or WebSocket from its beginning to its end."""

    def __init__(self, telemetry: Telemetry, scope: Scope, tracing: Any, metering: Any, logging: Any) -> None:
        self.scope = scope
        self.is_websocket = scope["type"] == "websocket"
        self.finished = self.trailers = self.disconnected = False
        self.tracer = None if tracing is None else telemetry.tracer(tracing)
        self.duration: Any = None
        self.active: Any = None
        if metering is not None:
            self.duration, self.active = telemetry.meters(metering)
        self.method = telemetry.method(scope)
        self.attributes = self._attributes()
        self.active_attributes = {k: v for k, v in self.attributes.items() if k != "network.protocol.version"}
        self.request = RequestTelemetry(
            method="WS" if self.is_websocket else "HTTP" if self.method == "_OTHER" else self.method,
            tracer=self.tracer if telemetry.config["operation_spans"] else None,
            prefix=scope.get("app_root_path", scope.get("root_path", "")).rstrip("/"),
        )
        if logging is not None:
            self.request.logger = _logs.get_logger("fastapi", __version__, logging, schema_url=SCHEMA)
        self.started = 0.0

    def _attributes(self) -> dict[str, Any]:
        scope = self.scope
        if self.is_websocket:
            return {"url.scheme": scope.get("scheme", "ws"), "network.protocol.name": "websocket"}
        attributes = {"url.scheme": scope.get("scheme", "http"), "http.request.method": self.method}
        if scope.get("http_version"):
            attributes["network.protocol.version"] = scope["http_version"]
        return attributes

    def _start_span(self, parent: Any) -> Any:
        assert self.tracer is not None
        scope = self.scope
        attributes = {**self.attributes, **_server(scope)}
        if not self.is_websocket:
            attributes["url.path"] = scope["path"]
            if scope.get("query_string"):
                attributes["url.query"] = _query(scope["query_string"])
            if scope.get("method", "") != self.method:
                attributes["http.request.method_original"] = scope.get("method", "")
        return self.tracer.start_span(self.request.method, context=parent, kind=SpanKind.SERVER, attributes=attributes)

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        parent_token = None
        if self.active is not None:
            self.active.add(1, self.active_attributes)
        self.started = perf_counter()
        if self.tracer is not None:
            parent = propagate.extract(Headers(scope=self.scope), getter=_fields)
            parent_token = otel_context.attach(parent)
            self.request.span = self._start_span(parent)
        self.scope[SCOPE] = self.request
        token = otel_context.attach(otel_context.set_value(KEY, self.request))
        try:
            with self._span_current():
                await self._run(app, receive, send)
        finally:
            self.request.data = None
            self.request.exceptions.clear()
            otel_context.detach(token)
            self.scope.pop(SCOPE, None)
            if parent_token is not None:
                otel_context.detach(parent_token)

    def _span_current(self) -> Any:
        span = self.request.span
        if span is None:
            return nullcontext()
        return trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    async def _run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        async def watched_receive() -> Message:
            message = await receive()
            self.disconnected = self.disconnected or message["type"] == "http.disconnect"
            return message

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.request.status = message["status"]
                self.trailers = message.get("trailers", False)
            await send(message)
            if self._is_last(message):
                self.finish(None)

        plain = self.is_websocket
        try:
            await app(self.scope, receive if plain else watched_receive, send if plain else watched_send)
        except BaseException as exc:
            self.request.failed(exc, is_websocket=plain)
            self.finish(None if plain and is_farewell(exc) else exc)
            raise
        if plain:
            self.finish(None)
        elif self.disconnected:
            self.finish(ConnectionError("Client disconnected"))
        else:
            self.finish(RuntimeError("Incomplete ASGI response"))

    def _is_last(self, message: Message) -> bool:
        kind = message["type"]
        if kind == "http.response.body":
            return not message.get("more_body", False) and not self.trailers
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        return bool(kind == "http.response.pathsend")

    def finish(self, error: BaseException | None) -> None:
        """The answer is complete, or will never be; the first time counts."""
        if self.finished:
            return
        self.finished = True
        request, span, attributes = self.request, self.request.span, self.attributes
        if request.route is not None:
            attributes["http.route"] = request.route
        if request.status is not None:
            attributes["http.response.status_code"] = request.status
        failed = error is not None
        if not self.is_websocket:
            failed = failed or request.status is None or request.status >= 500
        if failed:
            cause = error or (request.exceptions[-1] if request.exceptions else None)
            attributes["error.type"] = (
                type_name(cause) if cause is not None else str(request.status or "incomplete_response")
            )
        if span is not None:
            span.set_attributes(attributes)
            if failed:
                span.set_status(StatusCode.ERROR)
        # While the span is current, so that exemplars belong to it.
        if self.duration is not None:
            self.duration.record(max(0.0, perf_counter() - self.started), attributes)
        if self.active is not None:
            self.active.add(-1, self.active_attributes)
        if span is not None:
            span.end()
