"""A fastrapid that serves one application of the tutorials or tests, from the current folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

# On a machine that has much else to do; the tests' own limit is above it.
READY = 150.0
ENDS = 120.0
# Where pytest began; a test may change into another folder, and the daemon with it.
SOURCES = os.getcwd()
LISTENING = re.compile(rb" listening on 127\.0\.0\.1:(\d+)\n.* ready: ", re.DOTALL)


class NotReady(Exception):
    """The daemon could not load the application, or did not in time."""


class Server:
    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = tempfile.TemporaryDirectory(prefix="fastrapid-")
        conf, self.log = Path(self.folder.name, "conf"), Path(self.folder.name, "log")
        settings = {
            "app": name,
            "app_dir": SOURCES,
            "listen": ["127.0.0.1:0"],
            "workers": 1,
            "spare": False,
            "timeouts": {"start": READY},
            "python": sys.prefix,
            # Files of tests import private names too: to them the alias gives fastapi, as in the tests' process.
            "serve_fastapi_imports": name.startswith("docs_src."),
        }
        conf.write_text(json.dumps(settings))
        with self.log.open("wb") as log:
            command = [os.environ["SUITE_DAEMON"], "-c", str(conf)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.port = self._wait()
        except BaseException:  # pytest's, too: a test's time may be over
            self.process.kill()
            self.process.wait()
            self.folder.cleanup()
            raise

    def _wait(self) -> int:
        end = time.monotonic() + READY
        while not (found := LISTENING.search(self.log.read_bytes())):
            if self.process.poll() is not None or time.monotonic() > end:
                said = self.said().strip()
                last = said.rpartition("\n")[2]
                raise NotReady(f"the daemon is not ready: {last}\n{said}")
            time.sleep(0.02)
        return int(found[1])

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """It ends as it does at SIGTERM, lifespan included; it has to end well."""
        self.process.terminate()
        try:
            code = self.process.wait(ENDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        said = self.said()
        self.folder.cleanup()
        if code:
            pytest.fail(f"the daemon of {self.name} has ended with {code}: {said}", pytrace=False)
