"""Runs fastrapid on one of the applications in apps/, for the tests of the worker."""

import contextlib
import http.client
import json
from pathlib import Path

import harness
from harness import FASTRAPID, TOP, free_port

__all__ = ["APPS", "FASTRAPID", "TOP", "Daemon", "free_port", "serving"]

APPS = Path(__file__).resolve().parent / "apps"


class Daemon(harness.Daemon):
    """Its answers are http.client's, with `body` read."""

    def __init__(self, folder, app, also_listen=(), errors=False, **conf):
        conf = {"app": f"{app}:app", "app_dir": str(APPS), **conf}
        super().__init__(folder, conf, also_listen=also_listen, errors=errors)

    def wait_ready(self, timeout=120):
        super().wait_ready(timeout)
        self.get("/ready")
        return self

    def request(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            connection.close()

    def get(self, path, timeout=60):
        return self.request("GET", path, timeout=timeout)

    def json(self, path, timeout=60):
        answer = self.get(path, timeout=timeout)
        assert answer.status == 200, (answer.status, answer.body, self.log)
        return json.loads(answer.body)


@contextlib.contextmanager
def serving(folder, app, also_listen=(), errors=False, **conf):
    """A daemon that is ready, and afterwards ended; it must end well, and leave nothing."""
    daemon = Daemon(folder, app, also_listen, errors, **conf)
    try:
        yield daemon.wait_ready()
        daemon.finish()
    finally:
        daemon.kill()
