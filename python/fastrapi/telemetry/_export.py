"""
Exporters that the environment names: OTLP over HTTP, one for each signal.

They are added when an application starts whose telemetry has `auto_configure`,
to its own provider, to the global one, or to a new global one.  What was added
is flushed when an application ends, and shut down with the process.
"""

import atexit
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from opentelemetry import _logs, metrics, trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..exceptions import FastAPIError
from ..logger import logger
from ._requests import is_unset

PROTOCOL = "http/protobuf"
_INSTEAD = "or configure it yourself, with telemetry={'auto_configure': False}."
_ENDINGS = ("lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed")


@dataclass
class Signal:
    """Traces, metrics or logs: what the configuration, the API and the SDK call things."""

    name: str
    switch: str
    provider: str
    get_global: Callable[[], Any]
    set_global: Callable[[Any], None]
    register: str

    def endpoint(self) -> str | None:
        """Where the environment wants it sent, if anywhere."""
        exporter = (os.environ.get(f"OTEL_{self.name}_EXPORTER") or "otlp").strip().lower()
        endpoint = os.environ.get(f"OTEL_EXPORTER_OTLP_{self.name}_ENDPOINT")
        general = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        if not endpoint and general:
            endpoint = f"{general.removesuffix('/')}/v1/{self.name.lower()}"
        if not endpoint or exporter == "none":
            return None
        if exporter != "otlp":
            raise FastAPIError(f"OTEL_{self.name}_EXPORTER is {exporter!r}; set it to otlp or none, {_INSTEAD}")
        protocol = os.environ.get(f"OTEL_EXPORTER_OTLP_{self.name}_PROTOCOL")
        protocol = protocol or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or PROTOCOL
        if protocol != PROTOCOL:
            raise FastAPIError(f"the OTLP protocol is {protocol!r}; set it to {PROTOCOL}, {_INSTEAD}")
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FastAPIError(f"the endpoint of {self.name.lower()} must be an absolute HTTP or HTTPS URL, {_INSTEAD}")
        return endpoint

    def exporter(self, endpoint: str) -> Any:
        """A pipeline to an endpoint, as providers take it."""
        if self.name == "TRACES":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))
        if self.name == "METRICS":
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

            return PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint))
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        return BatchLogRecordProcessor(OTLPLogExporter(endpoint=endpoint))

    def new_provider(self, exporter: Any) -> Any:
        """A provider with an exporter; it isn't global yet."""
        if self.name == "METRICS":
            from opentelemetry.sdk.metrics import MeterProvider

            return MeterProvider(metric_readers=[exporter], shutdown_on_exit=False)
        provider: Any
        if self.name == "TRACES":
            from opentelemetry.sdk.trace import TracerProvider

            provider = TracerProvider(shutdown_on_exit=False)
        else:
            from opentelemetry.sdk._logs import LoggerProvider

            provider = LoggerProvider(shutdown_on_exit=False)
        getattr(provider, self.register)(exporter)
        return provider


SIGNALS = (
    Signal(
        "TRACES",
        "tracing",
        "tracer_provider",
        lambda: trace.get_tracer_provider(),
        lambda provider: trace.set_tracer_provider(provider),
        "add_span_processor",
    ),
    Signal(
        "METRICS",
        "metrics",
        "meter_provider",
        lambda: metrics.get_meter_provider(),
        lambda provider: metrics.set_meter_provider(provider),
        "add_metric_reader",
    ),
    Signal(
        "LOGS",
        "logs",
        "logger_provider",
        lambda: _logs.get_logger_provider(),
        lambda provider: _logs.set_logger_provider(provider),
        "add_log_record_processor",
    ),
)


class Exports:
    """What this process has added, to be flushed and shut down."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owned: list[Any] = []
        self._provided: list[tuple[str, Any]] = []

    def configure(self, config: Mapping[str, Any]) -> None:
        """Add the exporters that the environment names and that are not there yet."""
        if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return
        with self._lock:
            wanted = [(signal, signal.endpoint()) for signal in SIGNALS if config[signal.switch]]
            try:
                for signal, endpoint in wanted:
                    if endpoint is not None:
                        self._add(signal, config[signal.provider], endpoint)
            except ImportError as exc:
                raise FastAPIError(
                    "opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http are missing: "
                    f"install fastapi[opentelemetry], {_INSTEAD}"
                ) from exc

    def _add(self, signal: Signal, own: Any, endpoint: str) -> None:
        provider = signal.get_global() if own is None else own
        if own is None and is_unset(provider):
            made = signal.new_provider(signal.exporter(endpoint))
            signal.set_global(made)
            provider = signal.get_global()
            if provider is made:
                self._keep(signal, made, made)
                return
            made.shutdown()  # somebody else has set one meanwhile
        provider = _sdk_provider(signal, provider)
        if any(name == signal.name and known is provider for name, known in self._provided):
            return
        register = getattr(provider, signal.register, None)
        if not callable(register):
            raise FastAPIError(
                f"the {signal.provider.replace('_', ' ')} does not support adding an OTLP exporter: "
                f"use another, {_INSTEAD}"
            )
        exporter = signal.exporter(endpoint)
        try:
            register(exporter)
        except Exception:
            exporter.shutdown()
            raise
        self._keep(signal, provider, exporter)

    def _keep(self, signal: Signal, provider: Any, owned: Any) -> None:
        self._provided.append((signal.name, provider))
        self._owned.append(owned)

    def flush(self) -> None:
        """Send what is waiting."""
        self._each("force_flush", self._owned)

    def shutdown(self) -> None:
        """Send what is waiting, and end."""
        with self._lock:
            owned, self._owned = self._owned, []
        self._each("shutdown", owned)

    def _each(self, method: str, owned: list[Any]) -> None:
        for one in list(owned):
            try:
                getattr(one, method)()
            except Exception:
                logger.exception("telemetry: %s failed", method)

    async def around(
        self, config: Mapping[str, Any], app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """A lifespan, with exporters before its start and a flush before its end is told."""

        async def starting() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self.configure(config)
                except Exception as exc:
                    # An application has to start without its telemetry, too.
                    logger.warning("telemetry: auto_configure failed: %s", exc)
            return message

        async def ending(message: Message) -> None:
            if message["type"] in _ENDINGS and self._owned:
                await run_sync(self.flush)
            await send(message)

        await app(scope, starting, ending)


def _sdk_provider(signal: Signal, provider: Any) -> Any:
    # Logfire's wrapper of older versions can't add a reader; what it wraps can.
    if not hasattr(provider, signal.register) and type(provider).__module__.startswith("logfire."):
        return getattr(provider, "provider", provider)
    return provider


exports = Exports()
atexit.register(exports.shutdown)
