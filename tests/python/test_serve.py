"""app.serve(): the command line that it becomes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from fastrapi import FastrAPI
from fastrapi._runtime.serve import command
application = FastrAPI()
print(application.serve())
if __name__ == "__main__":
    print(*command(application, "127.0.0.1", 8080, 2, None), sep="\\n")
    for host, port in ((None, None), (None, 80), ("h", None)):
        print(*command(application, host, port, None, "f.conf")[5:], sep=" ")
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "fastrapid"
    path.parent.mkdir()
    path.write_text('#!/bin/sh\necho "$@"\n')
    path.chmod(0o755)
    return path


def run(script: Path, path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    full = {**os.environ, "PATH": f"{path.parent}:{os.environ['PATH']}", **env}
    return subprocess.run([sys.executable, str(script)], env=full, capture_output=True, text=True, timeout=300)


def test_inside_the_server_it_does_nothing(tmp_path: Path, daemon: Path) -> None:
    script = tmp_path / "site.py"
    script.write_text(SCRIPT)
    done = run(script, daemon, FASTRAPID_ROLE="worker")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "None"
    assert Path(lines[1]).name == "fastrapid"
    assert lines[2:] == [
        "--app", "site:application", "--app-dir", str(tmp_path),
        "--listen", "127.0.0.1:8080", "--workers", "2",
        # The rest of the command; without host and port, the file says where.
        f"--app-dir {tmp_path}", f"--app-dir {tmp_path} --listen 127.0.0.1:80", f"--app-dir {tmp_path} --listen h:8000",
    ]  # fmt: skip


def test_an_application_in_a_package(tmp_path: Path, daemon: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "api.py").write_text("from fastrapi import FastrAPI\napp = FastrAPI()\n")
    script = tmp_path / "start.py"
    script.write_text("import shop.api\nfrom fastrapi._runtime.serve import find_app\nprint(*find_app(shop.api.app))\n")
    done = run(script, daemon)
    assert done.stdout.split() == ["shop.api:app", str(tmp_path)], done.stderr


def test_an_application_without_a_name_is_an_error(tmp_path: Path, daemon: Path) -> None:
    script = tmp_path / "start.py"
    script.write_text("from fastrapi import FastrAPI\nFastrAPI().serve()\n")
    done = run(script, daemon)
    assert done.returncode == 1
    assert "found no module that holds this application" in done.stderr


def test_it_becomes_the_daemon(tmp_path: Path, daemon: Path) -> None:
    script = tmp_path / "main.py"
    # The daemon beside an interpreter goes first: here is none.
    script.write_text(
        "import sys\nsys.executable = '/nowhere/python'\n"
        "from fastrapi import FastrAPI\napp = FastrAPI()\napp.serve('::1', 9)\n"
    )
    done = run(script, daemon)
    assert done.stdout.split() == ["--app", "main:app", "--app-dir", str(tmp_path), "--listen", "[::1]:9"]
