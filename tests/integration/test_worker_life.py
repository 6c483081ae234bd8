"""Start and end of a worker."""

import os
import signal
import subprocess
import threading
import time

import pytest
from harness import descriptors, last_seen, wait
from worker_daemon import FASTRAPID, Daemon, serving


def run_app(folder, source, *options, **conf):
    """A daemon for an application of which the test has the source."""
    (folder / "own.py").write_text(source)
    return Daemon(folder, "own", app_dir=str(folder), **conf)


def fails(daemon):
    assert daemon.process.wait(120) != 0
    return daemon.log


def test_sigterm_lets_requests_end(tmp_path):
    source = """
import asyncio
from fastrapi import FastrAPI
app = FastrAPI()
@app.get("/slow")
async def slow():
    print("at work", flush=True)
    await asyncio.sleep(1)
    return "done"
"""
    daemon = run_app(tmp_path, source).wait_ready()
    results = []
    thread = threading.Thread(target=lambda: results.append(daemon.json("/slow")))
    thread.start()
    daemon.wait_log("at work\n")
    assert daemon.stop() == 0
    thread.join()
    assert results == ["done"]


def test_drain_has_an_end(tmp_path):
    source = """
import asyncio
from fastrapi import FastrAPI
app = FastrAPI()
@app.get("/stuck")
async def stuck():
    print("at work", flush=True)
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
"""
    daemon = run_app(tmp_path, source, timeouts={"drain": 0.5}).wait_ready()
    with daemon.connect() as connection:
        connection.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        daemon.wait_log("at work\n")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_exit(25)  # 30 is the default
    assert "cancelled" in daemon.log


def test_workers_end_with_the_master(tmp_path):
    daemon = Daemon(tmp_path, "worker_http", workers=2).wait_ready()
    workers = daemon.workers()
    assert len(workers) == 2
    daemon.process.kill()
    daemon.process.wait()
    assert last_seen(lambda: [pid for pid in workers if os.path.exists(f"/proc/{pid}")]) < 5, daemon.log


@pytest.mark.parametrize("turns", range(6))
def test_the_master_ends_while_a_worker_starts(tmp_path, turns):
    """In whichever turn of the loop the worker learns of it, it ends."""
    source = f"""
import asyncio, contextlib, os, signal, time
from fastrapi import FastrAPI

async def kill():
    for _ in range({turns}):
        await asyncio.sleep(0)
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(0.1)

@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.task = asyncio.create_task(kill())
    yield

app = FastrAPI(lifespan=lifespan)
"""
    source = source.replace('"pid"', repr(str(tmp_path / "pid")))
    daemon = run_app(tmp_path, source)
    assert daemon.process.wait(120) == -9
    worker = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{worker}"):
        if time.monotonic() > deadline:
            os.kill(worker, 9)
            raise AssertionError(daemon.log)
        time.sleep(0.05)


def test_a_signal_to_a_worker_alone_is_noticed(tmp_path):
    daemon = Daemon(tmp_path, "worker_http").wait_ready()
    (worker,) = daemon.workers()
    os.kill(worker, signal.SIGINT)  # as a terminal sends it to the whole group
    assert daemon.json("/pid") == worker
    daemon.stop()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import fastrapi\nx = 1 / 0\n", "ZeroDivisionError"),
        ("app = 5\n", "no FastrAPI application"),
        ("async def app(scope, receive, send): ...\n", "any other ASGI application"),
        ("import sys\nsys.exit(3)\n", "ended the process while it was imported"),
        ("from fastrapi import FastrAPI\n", "has no attribute 'app'"),
        ("def f(:\n", "SyntaxError"),
    ],
)
def test_an_application_that_can_not_be_loaded(tmp_path, source, words):
    assert words in fails(run_app(tmp_path, source))


def test_lifespan_that_fails(tmp_path):
    source = """
from contextlib import asynccontextmanager
from fastrapi import FastrAPI
@asynccontextmanager
async def lifespan(app):
    raise ValueError("no database")
    yield
app = FastrAPI(lifespan=lifespan)
"""
    log = fails(run_app(tmp_path, source))
    assert "ValueError: no database" in log
    assert "Traceback" in log


def test_an_application_that_differs_between_loader_and_worker(tmp_path):
    source = """
import os
from fastrapi import FastrAPI
app = FastrAPI()
@app.get("/" + os.environ["FASTRAPID_ROLE"])
async def differs():
    return None
"""
    log = fails(run_app(tmp_path, source))
    assert "/worker" in log and "/loader" in log and "path" in log


def test_prints_at_import_do_no_harm(tmp_path):
    source = """
import os, sys
print("{not a manifest", flush=True)
os.write(1, b"nor this")
from fastrapi import FastrAPI
app = FastrAPI()
@app.get("/")
async def root():
    return sys.flags.hash_randomization
"""
    daemon = run_app(tmp_path, source).wait_ready()
    assert daemon.get("/").status == 200
    assert daemon.stop() == 0
    assert "{not a manifest" in daemon.log


def test_routes_added_in_lifespan(tmp_path):
    source = """
from contextlib import asynccontextmanager
from fastrapi import FastrAPI
@asynccontextmanager
async def lifespan(app):
    @app.get("/late/{n}")
    async def late(n: int):
        return n
    yield
app = FastrAPI(lifespan=lifespan)
"""
    daemon = run_app(tmp_path, source).wait_ready()
    assert daemon.json("/late/3") == 3
    assert daemon.stop() == 0


def test_routes_changed_in_place_in_lifespan(tmp_path):
    # As fastapi-pagination does to declared routes, and wireup to included ones.
    source = """
from contextlib import asynccontextmanager
from fastrapi import APIRouter, Depends, FastrAPI
from fastrapi.dependencies.utils import get_parameterless_sub_dependant

needed = Depends(lambda page: print("page", page, flush=True))

def given_a_dependency(route):
    route.dependencies.append(needed)
    route.dependant.dependencies.append(get_parameterless_sub_dependant(depends=needed, path=route.path_format))

@asynccontextmanager
async def lifespan(app):
    given_a_dependency(app.routes[-2])
    given_a_dependency(router.routes[0])
    for route in app.routes[-1].effective_candidates():
        if route.path == "/replaced":
            route.dependant.call = lambda: "replaced"
    yield

app = FastrAPI(lifespan=lifespan)
app.add_api_route("/own", lambda: "own")
router = APIRouter()
router.add_api_route("/included", lambda: "included")
router.add_api_route("/replaced", lambda: "declared")
router.add_api_route("/as-it-was", lambda: "declared")
app.include_router(router)
"""
    daemon = run_app(tmp_path, source).wait_ready()
    assert [daemon.get(path).status for path in ("/own", "/included")] == [422, 422]
    assert [daemon.json(path) for path in ("/own?page=1", "/included?page=2")] == ["own", "included"]
    assert [daemon.json(path) for path in ("/replaced", "/as-it-was")] == ["replaced", "declared"]
    assert daemon.stop() == 0
    assert "page 1\n" in daemon.log and "page 2\n" in daemon.log


def test_another_python_is_refused(tmp_path):
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nprintf 3.9.2\n")
    fake.chmod(0o755)
    log = fails(run_app(tmp_path, "", python=str(fake)))
    assert "is Python 3.9.2, but this fastrapid runs Python" in log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_privileges_are_dropped(tmp_path):
    source = """
import os
from fastrapi import FastrAPI
app = FastrAPI()
at_import = [os.getuid(), os.getgid(), os.getgroups()]
@app.get("/")
async def ids():
    return at_import
"""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    daemon = run_app(tmp_path, source, user="nobody", group="nogroup").wait_ready()
    uid, gid, groups = daemon.json("/")
    assert (uid, gid, groups) == (65534, 65534, [65534])
    assert daemon.stop() == 0


def test_what_many_requests_took_is_given_back(tmp_path):
    """Heads of a size that clients choose are not kept for requests to come."""
    source = """
import asyncio, ctypes
from fastrapi import FastrAPI

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Mallinfo
app = FastrAPI()
gate = asyncio.Event()
waiting = 0

@app.get("/wait")
async def wait():
    global waiting
    waiting += 1
    await gate.wait()

@app.get("/waiting")
async def count():
    return waiting

@app.get("/open")
async def open_gate():
    gate.set()

@app.get("/used")
async def used():
    return mallinfo().uordblks + mallinfo().hblkhd

@app.get("/ready")
async def ready():
    pass
"""
    clients = 200
    head = b"GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += b"".join(b"X-%d: %s\r\n" % (n, b"x" * 7000) for n in range(8)) + b"\r\n"
    (tmp_path / "own.py").write_text(source)
    with serving(tmp_path, "own", app_dir=str(tmp_path)) as daemon:
        before = daemon.json("/used")
        connections = [daemon.connect() for _ in range(clients)]
        for connection in connections:
            connection.sendall(head)
        wait(lambda: daemon.json("/waiting") == clients, "all of them wait")
        during = daemon.json("/used")
        daemon.get("/open")
        for connection in connections:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            connection.close()
        most = before + clients * len(head) / 4
        wait(lambda: daemon.json("/used") < most, lambda: f"{before}, {during}, {daemon.json('/used')}")
    assert during - before > 2 * clients * len(head) or not during  # in net's buffer and in a copy; 0: not libc's malloc


def test_version_names_the_interpreter():
    out = subprocess.run([FASTRAPID, "--version"], capture_output=True, text=True, check=True).stdout
    assert "Python" in out


def settled(worker):
    """How many descriptors it holds, when that has ceased to change."""
    counts = []

    def still():
        time.sleep(0.1)
        counts.append(len(descriptors(worker)))
        return len(counts) > 4 and len(set(counts[-5:])) == 1

    wait(still, lambda: str(counts))
    return counts[-1]


def test_nothing_is_left(tmp_path):
    """Requests of every kind leave no descriptor behind."""
    with serving(tmp_path, "worker_http", errors=True) as daemon:
        (worker,) = daemon.workers()
        first = 0
        for _ in range(3):
            for path in ("/", "/async", "/stream", "/file", "/nowhere", "/raw/?silent", "/scope") * 10:
                daemon.get(path)
            # The last connection, or a file, may be about to be closed.
            first = first or settled(worker)
            wait(lambda: len(descriptors(worker)) <= first, lambda: f"{first}: {descriptors(worker)}")
