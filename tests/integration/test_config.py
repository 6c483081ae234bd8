"""fastrapi.conf and the command line, by the program itself."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastrapi as package
import pytest
from harness import HELLO, TOP

Run = Callable[..., subprocess.CompletedProcess[str]]

OWN = platform.python_version()  # the interpreter that the server was built for runs the tests
PATCH = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro + 1}"


def refuses(run: Run, folder: Path, text: str, message: str) -> None:
    """The text is refused with this message by -t and by a start; nothing is imported."""
    (folder / "main.py").write_text("print('imported')\n")
    (folder / "f.conf").write_text(text)
    for args in (["-t", "-c", "f.conf"], ["-c", "f.conf"], ["-T", "-c", "f.conf"]):
        done = run(*args)
        assert done.returncode == 1
        assert done.stderr == f"fastrapid: f.conf:{message}\n"
        assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{\n  // é\n  "app": "main:app",\n  "worker": 2\n}',
            '4:3: found the unknown key "worker", expected a known one: is it "workers"?',
        ),
        (
            '{"app": "main:app", /* x\n */ "workers": "4"}',
            '2:16: found "4" for "workers", expected a whole number from 1 to 256, or "auto"',
        ),
        (
            '{"app": "main:app",}',
            "1:20: found '}', expected another key (JSON has no comma before '}')",
        ),
        (
            '{"app": "main:app", "limits": {"uri": "9M"}}',
            '1:39: found "9M" for "limits.uri", expected a size such as 65536 or "64K", from 64 to 1M',
        ),
        (
            '{"app": "main:app",\n "app": "main:app"}',
            '2:2: found the key "app" a second time (first in line 1), expected it once',
        ),
        (
            '{"app": "main:app", "log": {"file": "no/such/folder/x"}}',
            '1:37: found "no/such/folder/x" for "log.file", expected a file that can be '
            "written, in a folder that exists",
        ),
        (
            '{"app": "main:app", "python": "nowhere"}',
            '1:31: found "nowhere" for "python", expected a Python interpreter, or a virtual '
            "environment with bin/python",
        ),
    ],
)
def test_errors_have_a_place(fastrapid: Run, tmp_path: Path, text: str, message: str) -> None:
    refuses(fastrapid, tmp_path, text, message)


def without_comments(text: str) -> Any:
    return json.loads(re.sub(r"^//.*$", "", text, flags=re.MULTILINE))


def test_effective_configuration(fastrapid: Run, tmp_path: Path) -> None:
    (tmp_path / "f.conf").write_text(
        '{"app": "main:app", "listen": ["unix:s"], "limits": {"body": 2097152}, "threads": 3}'
    )
    done = fastrapid("-T", "-c", "f.conf", "--workers", "5")
    assert (done.returncode, done.stderr) == (0, "")
    values = without_comments(done.stdout)
    assert values["app"] == "main:app"
    assert values["app_dir"] == str(tmp_path)
    assert values["listen"] == [f"unix:{tmp_path}/s"]
    assert values["workers"] == 5
    assert values["threads"] == 3
    assert values["limits"]["body"] == "2M"
    assert values["timeouts"]["header"] == "10s"
    # What it prints is a configuration: it says the same again.
    (tmp_path / "g.conf").write_text(done.stdout)
    assert fastrapid("-T", "-c", "g.conf").stdout == done.stdout


def test_command_line_overrides(fastrapid: Run, tmp_path: Path) -> None:
    (tmp_path / "f.conf").write_text('{"app": "main:app", "listen": ["a:1", "b:2"]}')
    done = fastrapid("-T", "-c", "f.conf", "--listen", "c:3", "--listen", "[::1]:4", "--app=x:y")
    values = without_comments(done.stdout)
    assert values["listen"] == ["c:3", "[::1]:4"]
    assert values["app"] == "x:y"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "fastrapid: nothing to serve: give -c FILE or --app MODULE:ATTRIBUTE"),
        (["--aap", "x"], "fastrapid: found the unknown option --aap: is it --app?"),
        (["-z"], "fastrapid: found the unknown option -z, expected one of fastrapid --help"),
        (["main:app"], "fastrapid: found the unknown argument main:app"),
        (["-c"], "fastrapid: -c: expected FILE after it"),
        (["--dump", "all"], 'fastrapid: --dump: found "all", expected manifest or image'),
    ],
)
def test_wrong_command_lines(fastrapid: Run, args: list[str], message: str) -> None:
    done = fastrapid(*args)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stdout == ""


def test_version_names_the_libraries(fastrapid: Run) -> None:
    done = fastrapid("--version")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["fastrapid", "libev", "llhttp", "cJSON", "libsodium", "Python"]
    for line in done.stdout.splitlines():
        assert re.fullmatch(r"\w+ \d+(\.\d+)+\S*", line), line


def test_the_package_has_the_daemons_version(fastrapid: Run) -> None:
    own = re.search(r"^AC_INIT\(\[fastrapi\], \[(.+?)\]", (TOP / "configure.ac").read_text(), re.MULTILINE)
    assert own is not None
    assert package.__version__ == own[1]
    assert fastrapid("--version").stdout.startswith(f"fastrapid {own[1]}\n")


def test_reference_is_the_committed_one(fastrapid: Run) -> None:
    assert fastrapid("--reference", "md").stdout == (TOP / "docs/configuration.md").read_text()
    assert fastrapid("--reference", "man").stdout == (TOP / "docs/fastrapid.8").read_text()


def test_the_example_has_every_key_and_the_defaults(fastrapid: Run, tmp_path: Path) -> None:
    example = TOP / "contrib/fastrapi.conf.example"
    keys = re.findall(r"^## `(.+)`$", fastrapid("--reference", "md").stdout, re.MULTILINE)
    assert len(keys) > 30
    # With what is commented out there, and without its comments, it is JSON.
    whole = re.sub(r"^(\s*)// (?=\")", r"\1", example.read_text(), flags=re.MULTILINE)
    tree = json.loads(re.sub(r"(^|\s)//.*", "", whole))
    names = {name for name in tree if name not in ("limits", "timeouts", "log", "status")}
    names |= {f"{part}.{name}" for part in ("limits", "timeouts", "log", "status") for name in tree[part]}
    assert sorted(names) == sorted(keys)
    (tmp_path / "f.conf").write_text('{"app": "main:app"}')
    shown, plain = (
        json.loads(re.sub("^//.*", "", fastrapid("-T", "-c", str(file)).stdout, flags=re.MULTILINE))
        for file in (example, tmp_path / "f.conf")
    )
    assert shown.pop("app_dir") == str(TOP / "contrib")
    assert plain.pop("app_dir") == str(tmp_path)
    assert shown == plain


def test_tests_the_application(fastrapid: Run, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        HELLO + '@app.get("/f/{name}.{ext}")\ndef file(name: str, ext: str):\n    return ext\n'
    )
    (tmp_path / "f.conf").write_text('{"app": "main:app"}')
    done = fastrapid("-t", "-c", "f.conf")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "configuration f.conf: ok"
    assert re.fullmatch(r"application main:app: \d+ routes ok", lines[1])
    sides = [line.removeprefix("on the side list, tried in order: ") for line in lines[2:]]
    assert "/f/{name}.{ext} (regular expression)" in sides


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("app = (\n", "SyntaxError"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("x = 1\n", "app"),
        ("import os\nos._exit(7)\n", "exit code 7"),
        ("import os\nos.kill(os.getpid(), 9)\n", "ended by signal 9"),
    ],
)
def test_tells_why_an_application_is_wrong(fastrapid: Run, tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "main.py").write_text(source)
    done = fastrapid("-t", "--app", "main:app")
    assert done.returncode == 1
    assert words in done.stderr
    assert "routes ok" not in done.stdout
    if "Error" in words:
        assert 'main.py", line 1' in done.stderr


def test_an_import_that_never_ends(fastrapid: Run, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import time\ntime.sleep(600)\n")
    (tmp_path / "f.conf").write_text('{"app": "main:app", "timeouts": {"start": "500ms"}}')
    done = fastrapid("-t", "-c", "f.conf")
    assert done.returncode == 1
    assert '"main:app" was not loaded within timeouts.start (0.5 s)' in done.stderr


def test_explain_and_dump(fastrapid: Run, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(HELLO)
    done = fastrapid("--app", "main:app", "--explain", "GET /")
    assert (done.returncode, done.stderr) == (0, "")
    assert "main.root" in done.stdout
    assert fastrapid("--app", "main:app", "--explain", "GET /nowhere").returncode == 1
    manifest = json.loads(fastrapid("--app", "main:app", "--dump", "manifest").stdout)
    assert "/" in [route["path"] for route in manifest["routes"]]
    assert "main.root" in fastrapid("--app", "main:app", "--dump", "image").stdout


def test_what_an_import_prints_is_no_output(fastrapid: Run, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print('hi there')\n" + HELLO)
    done = fastrapid("--app", "main:app", "--dump", "manifest")
    assert json.loads(done.stdout)
    assert "hi there" in done.stderr


@pytest.mark.parametrize("version", ["3.9.2", PATCH])
def test_python_of_another_version(fastrapid: Run, tmp_path: Path, version: str) -> None:
    (tmp_path / "main.py").write_text(HELLO)
    other = tmp_path / "python"
    other.write_text(f"#!/bin/sh\nprintf {version}\n")
    other.chmod(0o755)
    done = fastrapid("-t", "--app", "main:app", "--python", str(other))
    assert done.returncode == 1
    assert f"is Python {version}, but this fastrapid runs Python {OWN}: " in done.stderr
