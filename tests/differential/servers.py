"""Starts and stops the two servers that are compared."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
APPS = HERE / "apps"
# On a machine that has much else to do.
START_TIMEOUT = 150.0
STOP_TIMEOUT = 60.0
# Both choose a free port themselves, and say which.
LISTENING = re.compile(rb" listening on 127\.0\.0\.1:(\d+)\n")


def peer_python() -> Path:
    return Path(os.environ.get("FASTRAPI_PEER_PYTHON", TOP / "_build/peer/bin/python"))


def daemon() -> Path:
    return Path(os.environ.get("FASTRAPID", TOP / "_build/venv/bin/fastrapid"))


class Server:
    """One server process with one application, stopped by its own id."""

    def __init__(self, name: str, command: list[str], log: Path, env: dict[str, str]) -> None:
        self.name = name
        self.log = log
        self._output = log.open("wb")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT, env=env
        )
        try:
            self.port = self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> int:
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if found := LISTENING.search(self.log.read_bytes()):
                port = int(found[1])
                try:
                    # A listening socket may be open before a worker is ready, so
                    # ask for an answer; which one does not matter.
                    with socket.create_connection(("127.0.0.1", port), START_TIMEOUT) as probe:
                        probe.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        if probe.recv(64):
                            return port
                except OSError:
                    pass
            time.sleep(0.05)
        text = self.log.read_text(errors="replace")
        raise RuntimeError(f"{self.name} did not come up (exit code {self.process.poll()}):\n{text[-4000:]}")

    def stop(self) -> int:
        """Ask, wait, then insist; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        self._output.close()
        return code


def environment() -> dict[str, str]:
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", TZ="UTC")
    env.pop("PYTHONPATH", None)
    return env


def start_peer(app: str, log: Path, app_dir: Path = APPS, **extra: str) -> Server:
    command = [str(peer_python()), str(HERE / "peer/serve.py"), str(app_dir), f"{app}:app", "0"]
    return Server(f"peer {app}", command, log, environment() | extra)


def start_daemon(app: str, log: Path, app_dir: Path = APPS, **extra: str) -> Server:
    conf = log.with_suffix(".conf")
    conf.write_text(
        json.dumps(
            {
                "app": f"{app}:app",
                "app_dir": str(app_dir),
                "listen": ["127.0.0.1:0"],
                "workers": 1,
                "timeouts": {"start": START_TIMEOUT},
                # Above what the cases send: what a limit does is not compared.
                "limits": {"uri": 65536, "header_bytes": 131072},
                **json.loads(os.environ.get("FASTRAPI_DIFF_CONF", "{}")),
            }
        )
    )
    return Server(f"fastrapid {app}", [str(daemon()), "-c", str(conf)], log, environment() | extra)
