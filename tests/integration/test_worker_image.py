"""The image rules: what the worker was compiled to do is what it does."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from worker_daemon import APPS, TOP, free_port

BUILD = Path(os.environ.get("FASTRAPI_BUILD", TOP / "_build"))
PROGRAM = Path(os.environ.get("FASTRAPI_IMAGERULES", BUILD / "obj/tests/integration/imagerules"))


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_image_rules(tmp_path):
    """The application says GET /async with status 200; the image says /elsewhere with 202."""
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is missing: make check builds it", pytrace=False)
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [PROGRAM, APPS, "worker_http:app", str(port), "/async", "/elsewhere", "202"],
            stdout=out,
            stderr=out,
        )
    try:
        deadline = time.monotonic() + 120
        while "ready" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        assert get(port, "/elsewhere") == (202, {"Hello": "World"})
        assert get(port, "/async") == (404, {"detail": "Not Found"})
        assert get(port, "/") == (200, {"Hello": "World"})
    finally:
        process.terminate()
        assert process.wait(120) == 0, log.read_text()
