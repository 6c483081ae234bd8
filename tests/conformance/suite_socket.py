"""pytest plugin: TestClient sends its requests over a socket, to a fastrapid that serves the application.

The application has to stand in a module, where the daemon finds it under its name.  What a test
does to it in its own process, the daemon does not see.  SUITE_DAEMON names the daemon.

A test that asks no daemon is skipped, with one of the two reasons below: it is no test of this.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from types import TracebackType
from typing import Any

import httpx
import pytest
from fastrapi import testclient

from suite_daemon import NotReady, Server
from suite_lists import ASKS_NOBODY, NOT_IN_A_MODULE
from suite_websocket import WAITS, Session

KEPT = 4  # daemons at a time


def name_of(app: Any) -> str:
    for name, module in list(sys.modules.items()):
        if name.startswith(("docs_src.", "tests.")):
            for attribute, value in list(vars(module).items()):
                if value is app:
                    return f"{name}:{attribute}"
    pytest.skip(NOT_IN_A_MODULE)


class Servers:
    """The daemons that run, by the identity of the test's own copy of the application."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Server]] = {}
        # It is not tried again with each test.
        self._failed: dict[int, tuple[Any, str]] = {}
        self.asked = False

    def port(self, app: Any) -> int:
        self.asked = True
        if id(app) not in self._kept and id(app) not in self._failed:
            name = name_of(app)
            while len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))[1].stop()
            try:
                self._kept[id(app)] = app, Server(name)
            except NotReady as error:
                self._failed[id(app)] = app, str(error)
        if id(app) in self._failed:
            pytest.fail(self._failed[id(app)][1], pytrace=False)
        return self._kept[id(app)][1].port

    def stop(self, app: Any) -> None:
        if id(app) in self._kept:
            self._kept.pop(id(app))[1].stop()

    def stop_all(self) -> None:
        for _, server in self._kept.values():
            server.process.terminate()
        while self._kept:
            self._kept.popitem()[1][1].stop()


servers = Servers()


class Transport(httpx.HTTPTransport):
    """Whatever the host is called, the daemon is asked."""

    def __init__(self, app: Any) -> None:
        # Whoever leaves a TestClient unclosed leaves no connection either.
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0))
        self.app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        # The request itself keeps its URL: redirects are judged by it.
        url = request.url.copy_with(scheme="http", host="127.0.0.1", port=servers.port(self.app))
        asked = httpx.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return super().handle_request(asked)


class SocketClient(httpx.Client):
    """TestClient's interface, as far as it is about requests and WebSockets."""

    __test__ = False

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: str = "asyncio",
        backend_options: dict[str, Any] | None = None,
        cookies: Any = None,
        headers: dict[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] = ("testclient", 50000),
    ) -> None:
        self.app = app
        super().__init__(
            base_url=base_url,
            headers={"user-agent": "testclient", **(headers or {})},
            transport=Transport(app),
            follow_redirects=follow_redirects,
            cookies=cookies,
            timeout=WAITS,
        )

    def websocket_connect(self, url: str, subprotocols: list[str] | None = None, **options: Any) -> Session:
        request = self.build_request("GET", httpx.URL("ws://testserver").join(url), **options)
        return Session(servers.port(self.app), request, subprotocols)

    def __enter__(self) -> SocketClient:
        """Lifespan begins, and ends where the block does: a client may be opened again, as TestClient may."""
        servers.stop(self.app)
        servers.port(self.app)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        servers.stop(self.app)


testclient.TestClient = SocketClient  # type: ignore[misc, assignment]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, Any, Any]:
    servers.asked = False
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    try:
        return (yield)
    finally:
        if not servers.asked:  # whatever came of it
            pytest.skip(ASKS_NOBODY)


def pytest_sessionfinish() -> None:
    servers.stop_all()
