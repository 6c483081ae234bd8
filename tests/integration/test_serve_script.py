"""`python main.py` with app.serve() becomes the daemon, which imports the same file again."""

import http.client
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from worker_daemon import FASTRAPID, free_port

SOURCE = """
import logging
import os
import sys
from fastrapi import FastrAPI

logging.basicConfig(level=logging.INFO)
application = FastrAPI()


@application.get("/")
async def root():
    return [__name__, os.getppid()]


sys.stderr.write(f"before serve() in {{__name__}}\\n")
application.serve("127.0.0.1", {port}, workers=1, config={conf!r})
sys.stderr.write(f"after serve() in {{__name__}}\\n")
"""


def get(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_a_script_becomes_the_daemon(tmp_path):
    port = free_port()
    log = tmp_path / "log"
    conf = tmp_path / "fastrapi.conf"
    conf.write_text('{"spare": false}')  # it would run the script, too
    (tmp_path / "site1.py").write_text(SOURCE.format(port=port, conf=str(conf)))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [FASTRAPID.parent / "python", tmp_path / "site1.py"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
    try:
        deadline = time.monotonic() + 120
        while " ready: " not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        assert get(port) == ["site1", process.pid]
        assert Path(f"/proc/{process.pid}/exe").resolve() == FASTRAPID.resolve()
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
    text = log.read_text()
    # The script itself, then the loader and the worker, where serve() returns.
    assert [text.count(f"before serve() in {name}") for name in ("__main__", "site1")] == [1, 2]
    assert [text.count(f"after serve() in {name}") for name in ("__main__", "site1")] == [0, 2]
    for role in ("loader", "worker"):
        assert f"serve() does nothing in the server's {role}" in text


@pytest.mark.parametrize("line", ["FastrAPI().serve()", "make = [FastrAPI()]; make[0].serve()"])
def test_an_application_without_a_name(tmp_path, line):
    script = tmp_path / "main.py"
    script.write_text(f"from fastrapi import FastrAPI\n{line}\n")
    done = subprocess.run(
        [FASTRAPID.parent / "python", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "found no module that holds this application" in done.stderr
