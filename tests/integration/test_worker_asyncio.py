"""libev as asyncio's selector: what is built on asyncio works in a handler."""

import concurrent.futures
import threading
import time

import pytest
from harness import wait
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
    looks = []

    def ran():
        began, before = time.monotonic(), daemon.json("/state")
        time.sleep(0.5)
        ticks = daemon.json("/state")["ticks"] - before["ticks"]
        looks.append(ticks)
        assert before["started"] is True
        assert ticks <= (time.monotonic() - began) / 0.01 + 1
        return ticks >= 10

    wait(ran, lambda: str(looks))


def test_timers_run_under_load(daemon):
    before = daemon.json("/state")["ticks"]
    ended = threading.Event()
    counts = [0] * 4
    with concurrent.futures.ThreadPoolExecutor(4) as pool:

        def ask(n):
            while not ended.is_set():
                assert daemon.json("/static?n=1") == 1
                counts[n] += 1

        asking = [pool.submit(ask, n) for n in range(4)]
        try:
            wait(lambda: min(counts) > 12, lambda: str(counts))
            wait(lambda: daemon.json("/state")["ticks"] - before > 20, lambda: str(counts))
        finally:
            ended.set()
        for one in asking:
            one.result()


def test_threads_are_used_again(daemon):
    counts = [daemon.json("/calls") for _ in range(20)]
    assert counts == list(range(counts[0], counts[0] + 20))


def test_all_tasks_are_cancelled(tmp_path):
    with serving(tmp_path, "worker_asyncio") as daemon:
        for _ in range(2):
            assert daemon.get("/cancel-all").status == 200
            assert daemon.json("/order")[0] == "first"  # a turn later: its threads are gone from the pool
            assert [daemon.json("/calls") for _ in range(3)] == [1, 2, 3]
    assert "Traceback" not in daemon.log


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
