"""Runs fastrapid on one of the applications in apps/, for the tests of the worker."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
APPS = Path(__file__).resolve().parent / "apps"
FASTRAPID = Path(os.environ.get("FASTRAPID", TOP / "_build/venv/bin/fastrapid"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """A daemon that serves; `log` is what it has written so far."""

    def __init__(self, folder, app, also_listen=(), **conf):
        self.port = free_port()
        self.conf = folder / "fastrapi.conf"
        self.log_file = folder / "log"
        settings = {
            "app": f"{app}:app",
            "app_dir": str(APPS),
            "listen": [f"127.0.0.1:{self.port}", *also_listen],
            "workers": 1,
            **conf,
        }
        self.conf.write_text(json.dumps(settings))
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [FASTRAPID, "-c", self.conf],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )

    @property
    def log(self):
        return self.log_file.read_text(errors="replace")

    def wait_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.get("/ready")
                return self
            time.sleep(0.02)
        raise AssertionError(f"it did not come up ({self.process.poll()}):\n{self.log}")

    def request(self, method, path, body=None, headers=None, timeout=15):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            connection.close()

    def get(self, path, timeout=15):
        return self.request("GET", path, timeout=timeout)

    def json(self, path, timeout=15):
        answer = self.get(path, timeout=timeout)
        assert answer.status == 200, (answer.status, answer.body, self.log)
        return json.loads(answer.body)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 15)

    def wait_log(self, text, timeout=5):
        deadline = time.monotonic() + timeout
        while text not in self.log:
            assert time.monotonic() < deadline, f"the log has no {text!r}:\n{self.log}"
            time.sleep(0.02)

    def workers(self):
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    def stop(self):
        """Ends it as an operator would; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"SIGTERM did not end it:\n{self.log}") from None


@contextlib.contextmanager
def serving(folder, app, also_listen=(), **conf):
    """A daemon that is ready, and afterwards ended; it must end well, and leave nothing."""
    daemon = Daemon(folder, app, also_listen, **conf)
    try:
        daemon.wait_ready()
        workers = daemon.workers()
        yield daemon
    except BaseException:
        daemon.process.kill()
        daemon.process.wait()
        raise
    assert daemon.stop() == 0, daemon.log
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    for bad in ("AddressSanitizer", "runtime error:", "LeakSanitizer", "Fatal Python error"):
        assert bad not in daemon.log, daemon.log
