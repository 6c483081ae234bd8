"""Middleware and mounted applications over a socket."""

import http.client

import pytest
from worker_daemon import APPS, serving


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("wrapped"), "worker_wrapped") as daemon:
        yield daemon


def ask(daemon, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/sub/y", b"2"),
        ("/sub/state", b'["/sub","/sub/state"]'),
        ("/raw/a/b", b"/raw /raw/a/b"),
        ("/ready", b'"ready"'),
    ],
)
def test_mounted_behind_middleware(daemon, path, expected):
    status, headers, body = ask(daemon, "GET", path, headers={"Origin": "http://x"})
    assert (status, body) == (200, expected)
    # The middleware saw the request as it came, before any route took it.
    assert headers["x-seen"] == path
    assert headers["access-control-allow-origin"] == "*"


def test_static_files_behind_middleware(daemon):
    status, headers, body = ask(daemon, "GET", "/static/worker_wrapped.py")
    assert status == 200
    assert body == (APPS / "worker_wrapped.py").read_bytes()
    assert ask(daemon, "GET", "/static/../conftest.py")[0] == 404


def test_compressed_by_middleware(daemon):
    status, headers, body = ask(daemon, "GET", "/big", headers={"Accept-Encoding": "gzip"})
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert len(body) < 500


def test_body_through_middleware(daemon):
    assert ask(daemon, "POST", "/echo/7", b"x" * 300_000)[2] == b"[7,300000]"
    assert ask(daemon, "POST", "/echo/x", b"x" * 300_000)[0] == 422


def test_errors_pass_the_middleware(daemon):
    for path in ("/nowhere", "/sub/nowhere", "/static/nowhere"):
        status, headers, body = ask(daemon, "GET", path)
        assert (status, body) == (404, b'{"detail":"Not Found"}')
        assert headers["x-seen"] == path


def test_an_exception_behind_the_middleware_names_its_route(tmp_path):
    with serving(tmp_path, "worker_wrapped", errors=True) as daemon:
        for path in ("/fails/1", "/again/fails/1"):
            assert ask(daemon, "GET", path)[0] == 500
            daemon.wait_log(f"the request failed: GET {path}, worker_wrapped.fails (")
        assert ask(daemon, "GET", "/refused")[0] == 500
        daemon.wait_log("the request failed: GET /refused\n")
