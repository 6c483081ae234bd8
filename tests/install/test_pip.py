"""`pip install .` in a fresh virtual environment, and what its user then does.

The sources are copied, packed by the backend as an sdist (which makes configure) and unpacked;
`pip install .` there builds the wheel.  Optimisation is off, for the time that it takes.
"""

import base64
import csv
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import sys_tags

TOP = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
VERSION = re.search(r"AC_INIT\(\[fastrapi\], \[(.*?)\]", (TOP / "configure.ac").read_text())[1]
HOOK = "import sys, fastrapid_build; print(getattr(fastrapid_build, sys.argv[1])(sys.argv[2]))"
PINNED = ["-c", str(TOP / "python/requirements.txt"), "-c", str(TOP / "tests/requirements.txt")]

pytestmark = pytest.mark.timeout(1200)

MAIN = """
import sys

from pydantic import BaseModel

import fastrapi

app = fastrapi.FastrAPI()


class Note(BaseModel):
    title: str


@app.get("/where/{name}")
async def where(name: str):
    return [name, sys.prefix, fastrapi.__file__, __file__]


@app.post("/notes")
def add(note: Note) -> Note:
    return note


if __name__ == "__main__":
    app.serve("127.0.0.1", int(sys.argv[1]), workers=1)
"""

TESTS = """
from main import app

from fastrapi.testclient import TestClient


def test_notes():
    with TestClient(app) as client:
        answer = client.post("/notes", json={"title": "Milk"})
        assert (answer.status_code, answer.json()) == (200, {"title": "Milk"})


def test_no_notes():
    answer = TestClient(app).post("/notes", json={"title": 5})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "title"])
"""


def environment(**more):
    """Nothing of the tests' own: no sanitizer in front, no other environment's Python."""
    taken = ("LD_PRELOAD", "ASAN_", "UBSAN_", "LSAN_", "PYTEST_", "PYTHON", "VIRTUAL_ENV", "FASTRAPI", "CC", "MAKE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(taken)}
    return {**kept, "CFLAGS": "-O0", **more}


def run(*words, **options):
    """The program's output, both streams; it has to end well unless `code` says otherwise."""
    code = options.pop("code", 0)
    options = {"env": environment(), "timeout": 900, **options}
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def copy_sources(folder):
    """What a clone would have, changes that are not committed included."""
    if not (TOP / ".git").exists():
        return shutil.copytree(TOP, folder, symlinks=True, ignore=shutil.ignore_patterns("_build", "__pycache__"))
    # A clone may be another user's: it was mounted, say.
    listed = run("git", "-c", f"safe.directory={TOP}", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=TOP)
    for name in filter(None, listed.split("\0")):
        if (TOP / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, folder / name)
    return folder


def hook(name, folder, argument, **options):
    """One call of the backend, as pip would make it."""
    env = environment(PYTHONPATH=str(folder / "contrib/wheel"), PYTHONDONTWRITEBYTECODE="1", **options.pop("env", {}))
    return run(sys.executable, "-c", HOOK, name, str(argument), cwd=folder, env=env, **options)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return copy_sources(tmp_path_factory.mktemp("clone") / "fastrapi")


@pytest.fixture(scope="module")
def sdist(sources, tmp_path_factory):
    """The unpacked sdist."""
    folder = tmp_path_factory.mktemp("sdist")
    name = hook("build_sdist", sources, folder).splitlines()[-1]
    assert name == f"fastrapid-{VERSION}.tar.gz"
    with tarfile.open(folder / name) as archive:
        assert {member.name.split("/")[0] for member in archive} == {f"fastrapid-{VERSION}"}
    run("tar", "-xf", str(folder / name), "-C", str(folder))
    return folder / f"fastrapid-{VERSION}"


def pip_install(venv, folder, *words):
    """pip hands an option to configure: a cache, which makes the second build shorter."""
    cache = f"configure=--cache-file={venv}/config.cache"
    run(str(venv / "bin/pip"), "install", "-q", "--config-settings", cache, *words, cwd=folder)
    assert "ac_cv_" in (venv / "config.cache").read_text()


@pytest.fixture(scope="module")
def venv(sdist, tmp_path_factory):
    """A fresh environment after `pip install .`, with what the application's own tests need."""
    venv = tmp_path_factory.mktemp("user") / "venv"
    run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(venv))
    pip_install(venv, sdist, *PINNED, ".", "pytest", "httpx")
    return venv


@pytest.fixture
def project(tmp_path):
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "test_main.py").write_text(TESTS)
    return tmp_path


def site_packages(venv):
    (folder,) = (venv / "lib").glob("python3*/site-packages")
    return folder


def ask_where(project, *words):
    """Start a server with these words, on a port that it chooses, ask it once, and end it."""
    with (project / "log").open("wb") as log:
        process = subprocess.Popen(
            words,
            cwd=project,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 150
        while not (found := re.search(r" listening on 127\.0\.0\.1:(\d+)\n", said := (project / "log").read_text())):
            assert process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.05)
        # Whoever connects before it is ready waits for that.
        client = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=150)
        client.request("GET", "/where/me")
        where = json.load(client.getresponse())
        client.close()
        program = os.readlink(f"/proc/{process.pid}/exe")
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0, (project / "log").read_text()
        return program, where
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


# ---- what was installed


def test_every_file_is_as_the_record_says(venv):
    site = site_packages(venv)
    # pip keeps the wheel's hashes, and adds rows without one for what it makes itself.
    rows = list(csv.reader((site / f"fastrapid-{VERSION}.dist-info/RECORD").read_text().splitlines()))
    hashed = {name: (digest, size) for name, digest, size in rows if digest}
    for name, (digest, size) in hashed.items():
        data = (site / name).read_bytes()
        found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={found}", str(len(data))), name
    package = {path.relative_to(TOP / "python").as_posix() for path in (TOP / "python/fastrapi").rglob("*.py")}
    expected = package | {"fastrapi/py.typed", "fastrapi/_fastrapid.so", "../../../bin/fastrapid"}
    expected |= {"../../../share/man/man8/fastrapid.8", f"fastrapid-{VERSION}.dist-info/licenses/LICENSE"}
    assert expected <= hashed.keys()
    assert os.access(venv / "bin/fastrapid", os.X_OK)
    assert {path.name for path in (site / "fastrapi").iterdir()} - {"__pycache__"} == {
        name.split("/")[1] for name in hashed if name.startswith("fastrapi/")
    }


def test_the_wheel_is_for_this_python_and_machine(venv):
    text = (site_packages(venv) / f"fastrapid-{VERSION}.dist-info/WHEEL").read_text()
    (tag,) = re.findall(r"^Tag: (.*)$", text, re.MULTILINE)
    exact = next(str(t) for t in sys_tags() if "linux" == t.platform.split("_")[0])
    assert tag == exact
    assert "Root-Is-Purelib: false" in text


def test_metadata(venv):
    code = """if True:
        import json
        from importlib.metadata import metadata
        import fastrapi
        data = metadata("fastrapid")
        requires = sorted(r for r in data.get_all("Requires-Dist") if "extra" not in r)
        print(json.dumps([data["Version"], fastrapi.__version__, data["Requires-Python"],
                          data["License-Expression"], data.get_payload()[:9], requires]))
    """
    found = json.loads(run(str(venv / "bin/python"), "-c", code))
    wanted = [VERSION, VERSION, PROJECT["requires-python"], "MIT", "# FastrAPI", sorted(PROJECT["dependencies"])]
    assert found == [*wanted[:4], wanted[4][:9], wanted[5]]
    assert run(str(venv / "bin/fastrapid"), "--version").startswith(f"fastrapid {VERSION}\n")
    assert "No broken requirements" in run(str(venv / "bin/pip"), "check")


def test_what_contrib_build_pins_is_what_pip_asks_for():
    lines = (TOP / "python/requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert requirement.name in pins, f"{requirement} is not pinned"
        assert pins[requirement.name] in requirement.specifier, requirement


# ---- what its user does


def test_python_main(venv, project):
    program, where = ask_where(project, str(venv / "bin/python"), "main.py", "0")
    assert program == str(venv / "bin/fastrapid")
    package = str(site_packages(venv) / "fastrapi/__init__.py")
    assert where == ["me", str(venv), package, str(project / "main.py")]


def test_fastrapid_app(venv, project):
    words = (str(venv / "bin/fastrapid"), "--app", "main:app", "--listen", "127.0.0.1:0")
    _, where = ask_where(project, *words)
    package = str(site_packages(venv) / "fastrapi/__init__.py")
    assert where == ["me", str(venv), package, str(project / "main.py")]


def test_pytest_with_testclient(venv, project):
    assert "2 passed" in run(str(venv / "bin/python"), "-m", "pytest", "-q", "test_main.py", cwd=project)


def test_editable(venv, sources, project):
    # The last to use this environment: it replaces what was installed.
    pip_install(venv, sources, "--no-deps", "-e", ".")
    package = sources / "python/fastrapi/__init__.py"
    _, where = ask_where(project, str(venv / "bin/python"), "main.py", "0")
    assert where == ["me", str(venv), str(package), str(project / "main.py")]
    code = "import fastrapi, fastrapi._fastrapid as e; print(fastrapi.changed, e.__file__)"
    with package.open("a") as file:
        file.write("\nchanged = 'changed'\n")
    extension = package.parent / f"_fastrapid{EXTENSION_SUFFIXES[0]}"
    assert run(str(venv / "bin/python"), "-c", code).split() == ["changed", str(extension)]


# ---- what is missing is named


def test_missing_programs(tmp_path):
    clone = copy_sources(tmp_path / "clone")
    for name in ("configure", "Makefile.in"):
        (clone / name).unlink(missing_ok=True)
    tools = tmp_path / "bin"
    tools.mkdir()
    said = hook("build_wheel", clone, tmp_path, env={"PATH": str(tools)}, code=1)
    assert "make, pkg-config not found: install the Debian package(s) make pkg-config." in said
    for tool in ("make", "pkg-config", "automake"):
        (tools / tool).symlink_to(shutil.which(tool))
    said = hook("build_wheel", clone, tmp_path, env={"PATH": str(tools)}, code=1)
    assert "autoreconf, libtoolize not found: install the Debian package(s) autoconf libtool." in said
    assert "Traceback" not in said


def test_pip_names_the_missing_packages(venv, sdist, tmp_path):
    # No pkg-config file is found, and dpkg knows of no package.
    (tmp_path / "status").touch()
    env = environment(PKG_CONFIG_LIBDIR=str(tmp_path), DPKG_ADMINDIR=str(tmp_path))
    said = run(str(venv / "bin/pip"), "install", "--no-deps", "--force-reinstall", ".", cwd=sdist, env=env, code=1)
    assert "configure: error: libsodium is missing: install the Debian package libsodium-dev." in said
    (command,) = re.findall(r"apt-get install (.*)", said)
    assert {"gcc", "make", "libev-dev", "libsodium-dev", "node-llhttp"} <= set(command.split())
    assert "python3-venv" not in command and "cmocka" not in command
    assert "Traceback" not in said
