"""FastAPI's source distribution: fetched once, checked against its hash, unpacked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

PINNED = Path(__file__).resolve().parent / "sdist.txt"
REQUIREMENT, _, SHA256 = PINNED.read_text().strip().partition(" --hash=sha256:")
VERSION = REQUIREMENT.partition("==")[2]


def fetch(python: Path, cache: Path) -> Path:
    """The archive, in the folder cache; pip of the given interpreter fetches it."""
    archive = cache / f"fastapi-{VERSION}.tar.gz"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        options = ["-q", "--disable-pip-version-check", "--no-deps", "--no-binary", "fastapi", "--require-hashes"]
        command = [str(python), "-m", "pip", "download", *options, "-d", str(cache), "-r", str(PINNED)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{archive} is not what {PINNED.name} names; remove it")
    return archive


def unpack(archive: Path, folder: Path, wanted: Callable[[str], bool]) -> None:
    """Those of the archive's files whose name, without the first folder, is wanted."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.partition("/")[2]
            if not member.isfile() or ".." in name.split("/") or not wanted(name):
                continue
            content = tar.extractfile(member)
            assert content
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


def for_tests(name: str) -> bool:
    """Not the framework itself: it would be imported instead of ours."""
    return name.startswith(("tests/", "docs_src/", "docs/")) or name == "pyproject.toml"


def framework(name: str) -> bool:
    return name.startswith("fastapi/")


if __name__ == "__main__":
    fetch(Path(sys.executable), Path(sys.argv[1]))
