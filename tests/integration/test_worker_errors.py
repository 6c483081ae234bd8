"""An exception in a handler is an answer and a log line, never a dead worker."""

import http.client

import pytest
from harness import wait
from worker_daemon import serving


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("errors"), "worker_errors", errors=True) as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("path", "words"),
    [("/def", "in a def"), ("/async", "in an async def"), ("/later", "after a wait")],
)
def test_exception(daemon, path, words):
    pid = daemon.json("/pid")
    for _ in range(12):  # a def may have moved to the loop meanwhile
        answer = daemon.get(path)
        assert (answer.status, answer.body) == (500, b"Internal Server Error")
    wait(lambda: daemon.log.count(f"ValueError: {words}") == 12, lambda: daemon.log)
    assert "Traceback (most recent call last)" in daemon.log
    assert f"GET {path}" in daemon.log
    assert daemon.json("/pid") == pid


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/exit", "SystemExit: 7"),
        ("/exit-later", "SystemExit: 8"),
        ("/exit-def", "SystemExit: 9"),
        ("/interrupt", "KeyboardInterrupt"),
        ("/cancelled", "asyncio.exceptions.CancelledError: by itself"),
        ("/base", "worker_errors.Base: in an async def"),
        ("/base-def", "worker_errors.Base: in a def"),
    ],
)
def test_what_is_no_exception(daemon, path, words):
    pid = daemon.json("/pid")
    for _ in range(12):
        assert daemon.get(path).status == 500
    wait(lambda: daemon.log.count(f"\n  {words}\n") == 12, lambda: daemon.log)
    assert daemon.json("/pid") == pid


def test_exception_within_a_stream(daemon):
    with pytest.raises((http.client.HTTPException, OSError)):
        daemon.get("/stream")
    daemon.wait_log("ValueError: in the middle")
    assert daemon.json("/pid")


def test_exception_of_a_task_is_not_lost(daemon):
    assert daemon.json("/task") == "started"
    daemon.wait_log("ValueError: in a task that nobody awaits")
