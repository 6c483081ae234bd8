"""The daemon that is abused, with the limits that README.md asks for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from abuse import alive
from abuse_cases import BODY_LIMIT

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
FASTRAPID = Path(os.environ.get("FASTRAPID", TOP / "_build/venv/bin/fastrapid"))
REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "Fatal Python error", "never retrieved")
SANITIZED = bool({"ASAN_OPTIONS", "TSAN_OPTIONS"} & os.environ.keys())
# On a machine that has much else to do.
READY = 150.0
ENDS = 120.0


class Target:
    def __init__(self, folder: Path, app: str, workers: int, timeout: str = "5s") -> None:
        self.log_file = folder / "log"
        conf = folder / "fastrapi.conf"
        conf.write_text(
            json.dumps(
                {
                    "app": app if ":" in app else f"{app}:app",
                    "app_dir": str(HERE),
                    "listen": ["127.0.0.1:0"],
                    "workers": workers,
                    "limits": {"body": BODY_LIMIT, "header_bytes": "64K", "uri": "16K"},
                    "timeouts": {"start": READY, "header": timeout, "body": timeout, "idle": timeout},
                }
            )
        )
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [FASTRAPID, "-c", conf],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder)},
            )

    @property
    def port(self) -> int:
        """What the kernel gave it, which it says before it is ready."""
        found = re.search(r" listening on 127\.0\.0\.1:(\d+)$", self.log, re.MULTILINE)
        assert found, self.log
        return int(found[1])

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def reports(self) -> list[str]:
        return [report for report in REPORTS if report in self.log]

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY
        # The spare is started a while after; what is measured later counts it.
        while (
            " ready: " not in self.log
            or " stands by" not in self.log
            or not asyncio.run(alive("127.0.0.1", self.port, READY))
        ):
            assert self.process.poll() is None, f"it ended with {self.process.poll()}:\n{self.log}"
            assert time.monotonic() < deadline, f"it is not ready:\n{self.log}"
            time.sleep(0.02)

    def stop(self) -> int:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(ENDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def worker(self) -> int:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(next(c for c in children if Path(f"/proc/{c}/comm").read_text().startswith("fastrapid-w")))
