"""pytest plugin: TestClient sends its requests over a socket, to a fastrapid that serves the application.

The application has to stand in a module, where the daemon finds it under its name.  What a test
does to it in its own process, the daemon does not see.  SUITE_DAEMON names the daemon.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest
from fastrapi import testclient

DAEMON = os.environ["SUITE_DAEMON"]
READY = 60.0
KEPT = 2  # daemons at a time


def name_of(app: Any) -> str:
    for name, module in list(sys.modules.items()):
        if name.startswith("docs_src."):
            for attribute, value in list(vars(module).items()):
                if value is app:
                    return f"{name}:{attribute}"
    pytest.fail("the application stands in no module", pytrace=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A fastrapid with one application, in the current folder."""

    def __init__(self, name: str) -> None:
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="fastrapid-")
        conf, self.log = Path(self.folder.name, "conf"), Path(self.folder.name, "log")
        settings = {
            "app": name,
            "app_dir": os.getcwd(),
            "listen": [f"127.0.0.1:{self.port}"],
            "workers": 1,
            "python": sys.prefix,
            "serve_fastapi_imports": True,
        }
        conf.write_text(json.dumps(settings))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([DAEMON, "-c", str(conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:  # pytest's, too: a test's time may be over
            self.stop()
            raise

    def _wait(self) -> None:
        end = time.monotonic() + READY
        while b" ready: " not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the daemon is not ready: {self.log.read_text(errors='replace')}", pytrace=False)
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)
        self.folder.cleanup()


class Servers:
    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Server]] = {}

    def port(self, app: Any) -> int:
        if id(app) not in self._kept:
            while len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))[1].stop()
            self._kept[id(app)] = app, Server(name_of(app))
        return self._kept[id(app)][1].port

    def stop(self) -> None:
        for _, server in self._kept.values():
            server.stop()
        self._kept.clear()


servers = Servers()


class Transport(httpx.HTTPTransport):
    """Whatever the host is called, the daemon is asked."""

    def __init__(self, app: Any) -> None:
        # Whoever leaves a TestClient unclosed leaves no connection either.
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0))
        self.app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=servers.port(self.app))
        return super().handle_request(request)


class SocketClient(httpx.Client):
    """TestClient's interface, as far as it is about requests."""

    __test__ = False

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        headers: dict[str, str] | None = None,
        follow_redirects: bool = True,
        **options: Any,
    ) -> None:
        self.app = app
        super().__init__(
            base_url=base_url,
            headers={"user-agent": "testclient", **(headers or {})},
            transport=Transport(app),
            follow_redirects=follow_redirects,
            cookies=options.get("cookies"),
        )

    def __enter__(self) -> SocketClient:
        # The server has begun its lifespan; a client may be opened again, as TestClient may.
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """The server lives on."""


testclient.TestClient = SocketClient  # type: ignore[misc, assignment]


def pytest_sessionfinish() -> None:
    servers.stop()
