"""Where `make prepare-fastapi` put FastAPI's tests and tutorials, and how a script is run there."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from suite_lists import HERE

BUILD = Path(os.environ.get("FASTRAPI_BUILD", HERE.parents[1] / "_build"))
DAEMON = Path(os.environ.get("FASTRAPID", BUILD / "venv/bin/fastrapid"))


@dataclass
class Prepared:
    python: Path
    archive: Path
    # FastAPI itself, its tutorials and tests, unpacked.
    sources: Path

    def run(self, script: str, *args: str, peer: bool = False, **environment: str) -> str:
        """What a script prints: under fastrapi, or with `peer` under FastAPI; in the same environment."""
        # With a sanitizer: what Python and other packages leave at the end of a script counts as a leak.
        sanitizer = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
        path = [self.sources / "peer" if peer else HERE / "alias", self.sources / "tutorials"]
        done = subprocess.run(
            [self.python, "-W", "ignore", "-P", HERE / "scripts" / script, *args],
            env={**os.environ, **sanitizer, "PYTHONPATH": os.pathsep.join(map(str, path)), **environment},
            cwd=self.sources / "tutorials",
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
