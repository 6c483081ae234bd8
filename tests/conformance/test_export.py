"""What the environment asks for is exported: over HTTP, to where it says, once for each provider."""

from __future__ import annotations

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from prepared import Prepared

SCRIPT = """
from fastrapi import FastrAPI
from fastrapi.testclient import TestClient

def client():
    app = FastrAPI()
    app.get("/items/{item_id}")(lambda item_id: 1 // int(item_id))
    return TestClient(app, raise_server_exceptions=False)

for _ in range(2):
    with client() as one:
        assert one.get("/items/1").status_code == 200
        assert one.get("/items/0").status_code == 500
"""


class Collector(BaseHTTPRequestHandler):
    received: list[tuple[str, bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append((self.path, body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def run(prepared: Prepared, **environment: str) -> str:
    done = subprocess.run(
        [str(prepared.python), "-c", SCRIPT],
        # A collector that is slow is none that is gone: what is sent once more arrives twice.
        env={**os.environ, "OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_EXPORTER_OTLP_TIMEOUT": "120", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_each_signal_arrives(prepared: Prepared) -> None:
    Collector.received = []
    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}/base/"
        run(prepared, FASTAPI_OTEL_AUTO_CONFIGURE="true", OTEL_EXPORTER_OTLP_ENDPOINT=base)
        bodies = {name: b"".join(body for path, body in Collector.received if path == f"/base/v1/{name}") for name in ("traces", "metrics", "logs")}
        # Two applications, one provider of each kind: nothing arrives twice.
        assert bodies["traces"].count(b"GET /items/{item_id}") == 4
        assert bodies["logs"].count(b"Unhandled exception in FastAPI request") == 2
        assert b"http.server.request.duration" in bodies["metrics"]
        assert {path for path, _ in Collector.received} == {f"/base/v1/{name}" for name in bodies}
        Collector.received.clear()
        run(prepared, OTEL_EXPORTER_OTLP_ENDPOINT=base)
        assert Collector.received == []
    finally:
        server.shutdown()
        server.server_close()


def test_what_is_wrong_is_said_and_the_application_starts(prepared: Prepared) -> None:
    for wrong, words in (
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "nowhere"}, "must be an absolute HTTP or HTTPS URL"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "the OTLP protocol is 'grpc'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_LOGS_EXPORTER": "console"}, "OTEL_LOGS_EXPORTER is 'console'"),
    ):
        assert words in run(prepared, FASTAPI_OTEL_AUTO_CONFIGURE="true", **wrong)
