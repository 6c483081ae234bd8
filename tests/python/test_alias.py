"""Zero-edit mode: `import fastapi` gives FastrAPI's modules."""

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import fastrapi

# Another package of the name, as if the real one were installed.
OTHER = "raise RuntimeError('the other fastapi was imported')\n"


def run(code: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, whose folder has another fastapi."""
    (folder / "fastapi").mkdir(exist_ok=True)
    (folder / "fastapi" / "__init__.py").write_text(OTHER)
    (folder / "fastapi" / "only_there.py").write_text("")
    info = folder / "fastapi-0.1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fastapi\nVersion: 0.1\n")
    (folder / "script.py").write_text(code)
    env = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *(args or ["script.py"])], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )


def passes(code: str, folder: Path) -> str:
    done = run(code, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_it_the_other_package_is_found(tmp_path: Path) -> None:
    done = run("import fastrapi, fastapi", tmp_path)
    assert "the other fastapi was imported" in done.stderr


def test_all_modules_are_the_same_objects(tmp_path: Path) -> None:
    names = [
        m.name.removeprefix("fastrapi.")
        for m in pkgutil.walk_packages(fastrapi.__path__, "fastrapi.")
        if not m.name.endswith(("_fastrapid", "pytest_plugin"))
    ]
    assert {"routing", "testclient", "security.oauth2", "dependencies.utils", "_compile.plan"} <= set(names)
    code = f"""
import importlib, sys
import fastrapi
fastrapi.install_as_fastapi()
for name in {names!r}:
    try:
        first = importlib.import_module("fastapi." + name)
    except ImportError as exc:
        # Of a package that is not installed here: jinja2, opentelemetry.
        assert "fastapi" not in str(exc) and "fastrapi" not in str(exc), exc
        continue
    assert first is importlib.import_module("fastrapi." + name), name
    assert first.__name__ == first.__spec__.name == "fastrapi." + name, first.__spec__
    assert not getattr(first.__spec__, "_initializing", False)
    print(name)
import fastapi
assert fastapi is fastrapi
from fastapi import FastAPI
from fastapi.routing import APIRoute
import fastapi.security.oauth2 as oauth2
assert FastAPI is fastrapi.FastrAPI and APIRoute is fastrapi.routing.APIRoute
assert oauth2 is sys.modules["fastrapi.security.oauth2"]
"""
    assert len(passes(code, tmp_path).splitlines()) > len(names) - 6


def test_the_real_name_may_come_second(tmp_path: Path) -> None:
    code = """
import fastrapi
fastrapi.install_as_fastapi()
import fastapi.staticfiles as one
import fastrapi.staticfiles as two
assert one is two
"""
    passes(code, tmp_path)


def test_what_fastrapi_lacks_is_missing(tmp_path: Path) -> None:
    code = """
import importlib.util
import fastrapi
fastrapi.install_as_fastapi()
for name in ("fastapi.only_there", "fastapi.routing.deeper"):
    try:
        __import__(name)
    except ModuleNotFoundError as exc:
        print(exc.name)
print(importlib.util.find_spec("fastapi.only_there"), importlib.util.find_spec("fastapi_other"))
print(importlib.util.find_spec("fastapi.routing").name)
"""
    lines = passes(code, tmp_path).splitlines()
    assert lines[0] == "fastapi.only_there"
    assert "fastapi.routing" in lines[1] or "fastrapi.routing" in lines[1]
    assert lines[2:] == ["None None", "fastrapi.routing"]


def test_the_distribution_and_its_version(tmp_path: Path) -> None:
    code = """
from importlib.metadata import PackageNotFoundError, distribution, distributions, version
import fastrapi
own = fastrapi.__version__
fastrapi.install_as_fastapi()
import fastapi
print(version("fastapi"), version("FastAPI"), fastapi.__version__, own != fastapi.__version__)
print(distribution("fastapi").metadata["Name"], distribution("fastapi").entry_points)
print([d.version for d in distributions() if d.name == "fastapi"][0], version("pydantic") != "0.165.0")
try:
    version("fastapi-nothing")
except PackageNotFoundError:
    print("not found")
"""
    lines = passes(code, tmp_path).splitlines()
    assert lines == ["0.165.0 0.165.0 0.165.0 True", "fastapi []", "0.165.0 True", "not found"]


def test_twice_is_once(tmp_path: Path) -> None:
    code = """
import sys
import fastrapi
fastrapi.install_as_fastapi()
before = len(sys.meta_path)
fastrapi.install_as_fastapi()
assert len(sys.meta_path) == before
"""
    passes(code, tmp_path)


def test_too_late_is_an_error(tmp_path: Path) -> None:
    code = """
import sys, types
sys.modules["fastapi"] = real = types.ModuleType("fastapi")
real.__version__, real.__file__ = "0.100.0", "/site/fastapi/__init__.py"
import fastrapi
before = list(sys.meta_path)
try:
    fastrapi.install_as_fastapi()
except RuntimeError as exc:
    print(exc)
assert sys.meta_path == before and sys.modules["fastapi"] is real
"""
    said = passes(code, tmp_path)
    assert "fastapi 0.100.0 from /site/fastapi/__init__.py has been imported already" in said
    assert "before the first import of fastapi" in said


PLUGGED = """
import fastapi
import fastrapi
from fastapi.testclient import TestClient

app = fastapi.FastAPI()

@app.get("/{n}")
def item(n: int):
    return {"n": n}

def test_it():
    assert fastapi is fastrapi
    assert TestClient(app).get("/3").json() == {"n": 3}
    assert TestClient(app).get("/x").status_code == 422
"""


def test_the_pytest_plugin(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import fastapi\nassert fastapi.FastrAPI\n")
    (tmp_path / "test_it.py").write_text(PLUGGED)
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    done = run("", tmp_path, *arguments, "-p", "fastrapi.pytest_plugin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    done = run("", tmp_path, *arguments)
    assert "the other fastapi was imported" in done.stdout + done.stderr


def test_names_that_other_software_looks_for(tmp_path: Path) -> None:
    code = """
import fastrapi
fastrapi.install_as_fastapi()
from fastapi import APIRouter, FastAPI, Request
from fastapi.logger import logger
from fastapi.testclient import TestClient
app = FastAPI()

router = APIRouter()

@router.get("/{n}")
def scope(request: Request):
    scope = request.scope
    return [scope["fastapi"]["effective_route_context"].path, scope["route"].path, scope["endpoint"].__name__]

app.include_router(router, prefix="/in")
print(app.title, app.openapi()["info"]["title"], logger.name)
print(*TestClient(app).get("/in/3").json())
"""
    said = passes(code, tmp_path).splitlines()
    assert said == ["FastAPI FastAPI fastapi", "/in/{n} /{n} scope"]


def test_exceptions_are_known_by_fastapi_s_module(tmp_path: Path) -> None:
    code = """
import pickle, traceback
import fastrapi
{}
from fastrapi.exceptions import HTTPException
error = pickle.loads(pickle.dumps(HTTPException(404, "no chair")))
assert type(error) is HTTPException
print(traceback.format_exception_only(error)[0].strip())
"""
    for line, module in (("", "fastrapi"), ("fastrapi.install_as_fastapi()", "fastapi")):
        out = passes(code.format(line), tmp_path)
        assert out == f"{module}.exceptions.HTTPException: 404: no chair\n"
