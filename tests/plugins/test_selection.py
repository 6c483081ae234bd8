"""Plugins that are quick to install and to test: the whole is `make check-plugins`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OWN = Path(__file__).resolve().parent / "own"


@pytest.mark.parametrize("name", ["slowapi", "prometheus", "correlation_id"])
def test_plugin(name: str) -> None:
    # Leaks of the plugins' own extension modules are not ours to find.
    env = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "fastrapi.pytest_plugin"]
    file = OWN / f"plugin_{name}.py"
    done = subprocess.run([*command, file], env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
