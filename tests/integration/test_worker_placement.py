"""`def` handlers under `auto`: quick ones move to the loop, those that need a thread have one."""

import concurrent.futures
import time

import pytest
from worker_daemon import serving

RUNS = 30  # enough for any verdict


@pytest.fixture
def daemon(tmp_path):
    with serving(tmp_path, "worker_placement") as daemon:
        yield daemon


def test_a_quick_def_moves_to_the_loop(daemon):
    first, *_, last = [daemon.json("/quick") for _ in range(RUNS)]
    assert (first, last) == (False, True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/asyncio-run", "ran"), ("/from-thread", "ran on the loop"), ("/own?port={port}", True)],
)
def test_what_needs_a_thread(daemon, path, expected):
    for _ in range(RUNS):
        assert daemon.json(path.format(port=daemon.port)) == expected


def test_waiting_for_another_request(daemon):
    for _ in range(RUNS):
        daemon.json("/quick")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(daemon.json, "/wait")
        time.sleep(0.2)
        assert not waiting.done()
        assert daemon.json("/set") == "set"
        assert waiting.result() is True


def test_blocking_delays_nobody_else(daemon):
    assert daemon.json("/block") == "slept"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        blocking = [pool.submit(daemon.json, "/block") for _ in range(3)]
        longest = 0
        while not all(one.done() for one in blocking):
            begin = time.monotonic()
            daemon.json("/async")
            daemon.json("/quick")
            longest = max(longest, time.monotonic() - begin)
        assert [one.result() for one in blocking] == ["slept"] * 3
    assert longest < 0.5


@pytest.mark.parametrize(("mode", "inline"), [("inline", True), ("threads", False)])
def test_placement_by_configuration(tmp_path, mode, inline):
    with serving(tmp_path, "worker_placement", sync_handlers=mode) as daemon:
        assert [daemon.json("/quick") for _ in range(RUNS)] == [inline] * RUNS
