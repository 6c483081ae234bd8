"""`def` handlers under `auto`: quick ones move to the loop, those that need a thread have one."""

import concurrent.futures

import pytest
from harness import wait
from worker_daemon import serving

RUNS = 30  # enough for any verdict


@pytest.fixture
def daemon(tmp_path):
    with serving(tmp_path, "worker_placement") as daemon:
        yield daemon


def test_a_quick_def_moves_to_the_loop(daemon):
    assert daemon.json("/quick") is False
    # One that the machine has interrupted says nothing of it: as many as may be tried.
    assert any(daemon.json("/quick") for _ in range(200))
    assert daemon.json("/quick") is True


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
        waiting = pool.submit(daemon.json, "/wait", 120)
        wait(lambda: daemon.json("/waits") is True, "it waits")
        assert not waiting.done()
        assert daemon.json("/set") == "set"
        assert waiting.result() is True


def test_blocking_delays_nobody_else(daemon, tmp_path):
    assert daemon.json("/block") == "slept"
    gate = tmp_path / "gate"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        blocking = [pool.submit(daemon.json, f"/block?gate={gate}", 120) for _ in range(3)]
        try:
            wait(lambda: daemon.json("/blocked") == 4, "they block")
            for _ in range(RUNS):
                daemon.json("/async")
                daemon.json("/quick")
            assert not any(one.done() for one in blocking)
        finally:
            gate.touch()
        assert [one.result() for one in blocking] == ["slept"] * 3


@pytest.mark.parametrize(("mode", "inline"), [("inline", True), ("threads", False)])
def test_placement_by_configuration(tmp_path, mode, inline):
    with serving(tmp_path, "worker_placement", sync_handlers=mode) as daemon:
        assert [daemon.json("/quick") for _ in range(RUNS)] == [inline] * RUNS
