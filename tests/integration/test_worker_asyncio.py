"""libev as asyncio's selector: what is built on asyncio works in a handler."""

import concurrent.futures
import time

import pytest
from worker_daemon import serving


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("asyncio"), "worker_asyncio") as daemon:
        yield daemon
    assert "lifespan is over" in daemon.log
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/streams", "\ndesserts"),
        ("/subprocess", {"out": "from a child!\n", "code": 3}),
        ("/terminated", -15),
        ("/executor", True),
        ("/timeout", "timed out twice"),
        ("/cancel", ["cancelled", "raised"]),
        ("/sqlite", 45),
        ("/group", [1, 2, 3, "thread"]),
        ("/order", ["first", 0, 1, 2, "soon"]),
        ("/threadsafe", "woken"),
        ("/later", "in time"),
        ("/closed", [True, 9, True]),
    ],
)
def test_asyncio_in_a_handler(daemon, path, expected):
    for _ in range(3):
        assert daemon.json(path) == expected


def test_http_client_against_the_server_itself(daemon):
    assert daemon.json(f"/client?port={daemon.port}") == [0, 1, 2, 3, 4]


def test_each_request_has_a_task_and_a_context_of_its_own(daemon):
    for _ in range(2):
        assert daemon.json("/task") == {
            "task": True,
            "same": True,
            "listed": True,
            "before": "unset",
            "inside": "mine",
            "after": "mine",
        }


def test_timers_run_while_nobody_asks(daemon):
    before = daemon.json("/state")
    time.sleep(0.5)
    after = daemon.json("/state")
    assert before["started"] is True
    assert 10 <= after["ticks"] - before["ticks"] <= 60


def test_timers_run_under_load(daemon):
    before = daemon.json("/state")["ticks"]
    end = time.monotonic() + 1
    with concurrent.futures.ThreadPoolExecutor(4) as pool:

        def ask():
            count = 0
            while time.monotonic() < end:
                assert daemon.json("/static?n=1") == 1
                count += 1
            return count

        assert sum(pool.map(lambda _: ask(), range(4))) > 50
    assert daemon.json("/state")["ticks"] - before > 20


def test_many_at_once(daemon):
    paths = ["/streams", "/executor", "/sqlite", "/timeout", "/group", "/task"] * 5
    with concurrent.futures.ThreadPoolExecutor(15) as pool:
        answers = list(pool.map(daemon.get, paths))
    assert [answer.status for answer in answers] == [200] * len(paths)


def test_interpreter(daemon):
    told = daemon.json("/interpreter")
    assert told["built_in"] is True
    assert told["role"] == "worker"
    assert told["first"] == "apps"
