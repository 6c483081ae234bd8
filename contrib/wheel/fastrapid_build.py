"""The build backend that pyproject.toml names (PEP 517, PEP 660): wheel and sdist by configure and make.

It needs nothing but the standard library.  A wheel is what `make install` puts into a stage whose
folders are those of a wheel, so what gets installed is written down once, in the Makefile.

Options: `pip install --config-settings configure=--with-llhttp=DIR .`; CC and CFLAGS are taken
from the environment.
"""

import sys

if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
    sys.exit(f"fastrapid needs CPython 3.11 or later; {sys.executable} is {sys.implementation.name} {sys.version}")

import base64
import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

TOP = Path(__file__).resolve().parents[2]


def _read(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


PROJECT: dict[str, Any] = tomllib.loads(_read("pyproject.toml"))["project"]

# The folders of the Makefile, in a stage; and where a wheel has the stage's.
FOLDERS = {
    "bindir": "/scripts",
    "pythondir": "/platlib",
    "pyexecdir": "/platlib",
    "mandir": "/data/share/man",
    "docdir": "/doc",  # left out
}

# Programs that configure needs or can't name a package for, and those that make configure.
TOOLS = {"make": "make", "pkg-config": "pkg-config"}
AUTOTOOLS = {"autoreconf": "autoconf", "automake": "automake", "libtoolize": "libtool"}

Settings = Mapping[str, str | list[str]] | None


# ---- what is missing


def _fail(text: str) -> NoReturn:
    """End with these words; pip shows what was printed, without a traceback."""
    sys.exit(f"fastrapid: {text}{_missing_packages()}")


def _interpreter() -> str:
    """The interpreter to build for: not that of a virtual environment, which may be gone tomorrow."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _missing_packages() -> str:
    """Debian's names of what is not installed, and the command that installs it."""
    done = subprocess.run([TOP / "contrib/install-deps", "--missing"], capture_output=True, text=True, check=False)
    # Who runs pip has a Python; its headers are Debian's only if it is Debian's Python.
    needless = {"python3", "python3-venv"}
    if not _interpreter().startswith("/usr/bin/"):
        needless.add("python3-dev")
    packages = [package for package in done.stdout.split() if package not in needless]
    if not packages:
        return f"\n{done.stderr}" if done.stderr else ""
    command = "apt-get install --no-install-recommends " + " ".join(packages)
    return f"\nfastrapid: missing Debian packages; install them as root:\n    {command}"


def _check_tools(tools: Mapping[str, str]) -> None:
    missing = {tool: package for tool, package in tools.items() if shutil.which(tool) is None}
    if missing:
        _fail(f"{', '.join(missing)} not found: install the Debian package(s) {' '.join(missing.values())}.")


# ---- configure, make


def _run(words: list[str], cwd: Path, complaint: str) -> None:
    if subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        _fail(complaint)


@contextlib.contextmanager
def _configured(settings: Settings) -> Iterator[Path]:
    """A build tree outside of the sources, for as long as it is needed."""
    _check_tools(TOOLS)
    if not all((TOP / name).is_file() for name in ("configure", "Makefile.in", "build-aux/py-compile")):
        _check_tools(AUTOTOOLS)
        _run(["autoreconf", "-i"], TOP, "autoreconf failed.")
    options = (settings or {}).get("configure", [])
    words = [str(TOP / "configure"), "-q", f"PYTHON={_interpreter()}", f"CFLAGS={os.environ.get('CFLAGS', '-O2')}"]
    for text in [options] if isinstance(options, str) else options:
        words += shlex.split(text)
    with tempfile.TemporaryDirectory(prefix="fastrapid-build-") as folder:
        _run(words, Path(folder), "configure failed; its reason stands above.")
        yield Path(folder)


def _install(build: Path) -> Path:
    """Make and install into a stage, by FOLDERS."""
    stage = build / "stage"
    variables = [f"{name}={folder}" for name, folder in FOLDERS.items()]
    # libtool wants the folders of the installation when it links.  pip compiles the .py files itself,
    # and of the programs only the daemon is wanted.
    variables += ["py_compile=/dev/null", "noinst_PROGRAMS="]
    words = ["make", "-s", f"-j{len(os.sched_getaffinity(0))}", *variables]
    _run([*words, f"DESTDIR={stage}", "install"], build, "make failed; its reason stands above.")
    return stage


# ---- metadata


def _version() -> str:
    found = re.search(r"^AC_INIT\(\[\w+\], \[([\w.]+)\]", _read("configure.ac"), re.MULTILINE)
    assert found is not None
    return found[1]


def _stem() -> str:
    return f"{PROJECT['name']}-{_version()}"


def _tag() -> str:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    return f"{python}-{python}{sys.abiflags}-{platform}"


def _metadata() -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {PROJECT['name']}",
        f"Version: {_version()}",
        f"Summary: {PROJECT['description']}",
        f"License-Expression: {PROJECT['license']}",
        *(f"License-File: {name}" for name in PROJECT["license-files"]),
        *(f"Classifier: {text}" for text in PROJECT["classifiers"]),
        f"Requires-Python: {PROJECT['requires-python']}",
        *(f"Requires-Dist: {requirement}" for requirement in PROJECT["dependencies"]),
    ]
    for extra, requirements in PROJECT["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {requirement}; extra == "{extra}"' for requirement in requirements]
    lines.append("Description-Content-Type: text/markdown")
    return "\n".join(lines) + "\n\n" + _read(str(PROJECT["readme"]))


def _write_dist_info(folder: Path) -> str:
    """Write all of .dist-info except RECORD, and return its name."""
    info = folder / f"{_stem()}.dist-info"
    (info / "licenses").mkdir(parents=True)
    (info / "METADATA").write_text(_metadata(), encoding="utf-8")
    (info / "WHEEL").write_text(
        f"Wheel-Version: 1.0\nGenerator: fastrapid_build ({_version()})\nRoot-Is-Purelib: false\nTag: {_tag()}\n"
    )
    for name in PROJECT["license-files"]:
        shutil.copyfile(TOP / name, info / "licenses" / name)
    return info.name


# ---- archives


def _zip(target: Path, stage: Path) -> None:
    """The wheel of a stage that has its .dist-info in platlib."""
    record = f"{_stem()}.dist-info/RECORD"
    rows = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for scheme, prefix in (("scripts", f"{_stem()}.data/"), ("data", f"{_stem()}.data/"), ("platlib", "")):
            root = stage if prefix else stage / scheme
            # .dist-info last, as the format recommends: it is found from the end.
            files = sorted((stage / scheme).rglob("*"), key=lambda path: (".dist-info" in str(path), path))
            for path in files:
                if not path.is_file():
                    continue
                name, data = prefix + path.relative_to(root).as_posix(), path.read_bytes()
                entry = zipfile.ZipInfo.from_file(path, name)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                rows.append(f"{name},sha256={digest},{len(data)}\n")
        archive.writestr(record, "".join([*rows, f"{record},,\n"]))


def _wheel(directory: str, stage: Path) -> str:
    _write_dist_info(stage / "platlib")
    name = f"{_stem()}-{_tag()}.whl"
    _zip(Path(directory) / name, stage)
    return name


# ---- the hooks that pip calls


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings = None) -> str:
    return _write_dist_info(Path(metadata_directory))


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    with _configured(config_settings) as build:
        return _wheel(wheel_directory, _install(build))


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """The daemon in the wheel, the extension beside the sources, and a path to them."""
    with _configured(config_settings) as build:
        stage = _install(build)
        package = TOP / "python/fastrapi"
        extension = package / f"_fastrapid{sysconfig.get_config_var('EXT_SUFFIX')}"
        # A new file: the old one may be mapped by a process that runs.
        extension.unlink(missing_ok=True)
        shutil.copyfile(stage / "platlib/fastrapi/_fastrapid.so", extension)
        shutil.rmtree(stage / "platlib")
        (stage / "platlib").mkdir()
        (stage / f"platlib/__editable__.{_stem()}.pth").write_text(f"{package.parent}\n")
        return _wheel(wheel_directory, stage)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """What `make dist` packs, configure included, under the name and in the format that pip wants."""
    with _configured(config_settings) as build:
        _run(["make", "-s", "distdir", f"distdir={_stem()}"], build, "make distdir failed; its reason stands above.")
        (build / _stem() / "PKG-INFO").write_text(_metadata(), encoding="utf-8")
        name = f"{_stem()}.tar.gz"
        with tarfile.open(Path(sdist_directory) / name, "w:gz", format=tarfile.PAX_FORMAT) as archive:
            archive.add(build / _stem(), _stem())
        return name
