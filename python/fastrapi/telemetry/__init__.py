"""Tracing, metrics and logs of requests, through OpenTelemetry's API."""

from ._data import TelemetryConfig as TelemetryConfig
from ._data import TelemetryData as TelemetryData
from ._data import get_telemetry_data as get_telemetry_data
