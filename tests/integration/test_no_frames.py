"""A request over a socket enters no Python function of the framework: the executor is C alone."""

import json

import pytest
from worker_daemon import serving


def names(daemon):
    """What ran since the last call: (framework's, application's)."""
    found = daemon.json("/frames")
    own = [name.rpartition(":")[2] for name in found if "worker_frames.py:" in name]
    return [name for name in found if "worker_frames.py:" not in name], own


def post(daemon, path):
    answer = daemon.request("POST", path, '{"name": "a"}', {"Content-Type": "application/json"})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("frames"), "worker_frames") as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("path", "ran"),
    [("/async", ["inner", "outer", "in_async"]), ("/def", ["inner_def", "outer_def", "in_def"])],
)
def test_no_python_of_the_framework_runs(daemon, path, ran):
    post(daemon, f"{path}/4")  # what is imported at first need
    names(daemon)
    for _ in range(30):  # a def begins in a thread, and moves to the loop
        assert post(daemon, f"{path}/4?q=5&t=u") == {"id": 4, "item": "a", "x": "u", "q": 5}
        assert names(daemon) == ([], [*ran, "seen"])


def test_nor_for_a_response_model(daemon):
    post(daemon, "/model")
    names(daemon)
    assert post(daemon, "/model") == {"name": "a", "price": 1.5}
    assert names(daemon) == ([], ["model", "seen"])


def test_what_does_run_is_seen(daemon):
    names(daemon)
    assert daemon.get("/page").status == 200
    framework, own = names(daemon)
    assert own == ["page", "seen"]
    assert any("/starlette/" in name for name in framework)
