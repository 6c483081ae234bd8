"""
Zero-edit mode: `import fastapi` gives FastrAPI's modules.

A finder at the head of `sys.meta_path` answers for `fastapi` and all below it
with the module objects of `fastrapi`, so that both names mean the same
classes.  It also answers `importlib.metadata`'s question for the distribution
`fastapi`, which plugins ask for its version.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

ALIAS = "fastapi"
REAL = "fastrapi"

# The FastAPI whose behaviour FastrAPI has.
FASTAPI_VERSION = "0.165.0"

METADATA = f"""\
Metadata-Version: 2.1
Name: {ALIAS}
Version: {FASTAPI_VERSION}
Summary: FastrAPI, in FastAPI's place
"""


def _is_alias(name: str) -> bool:
    return name == ALIAS or name.startswith(ALIAS + ".")


def _real_name(name: str) -> str:
    return REAL + name.removeprefix(ALIAS)


class _Distribution(importlib.metadata.Distribution):
    """What `importlib.metadata` finds under FastAPI's name."""

    def read_text(self, filename: str) -> str | None:
        return METADATA if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return os.path.join(os.path.dirname(os.path.dirname(__file__)), path)


class _AliasLoader(Loader):
    """Hands out the module that exists under its real name."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(_real_name(spec.name))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the alias's spec in the place of the module's own.
        spec = module.__spec__
        assert spec is not None
        module.__spec__ = spec.loader_state


class _AliasFinder:
    """Finds modules of FastAPI's name, and its distribution."""

    def __init__(self) -> None:
        self._loader = _AliasLoader()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not _is_alias(name):
            return None
        real = importlib.util.find_spec(_real_name(name))
        if real is None:
            # The other finders look in the parent's folder, which is FastrAPI's.
            return None
        return ModuleSpec(name, self._loader, is_package=real.submodule_search_locations is not None)

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context | None = None
    ) -> Iterator[importlib.metadata.Distribution]:
        wanted = None if context is None else context.name
        if wanted is None or wanted.lower() == ALIAS:
            yield _Distribution()


def _name_exceptions() -> None:
    # Logs, spans and their alerts know exceptions by module and class.
    exceptions = importlib.import_module(REAL + ".exceptions")
    for value in vars(exceptions).values():
        if isinstance(value, type) and value.__module__ == exceptions.__name__:
            value.__module__ = ALIAS + ".exceptions"


def install_as_fastapi() -> None:
    """
    Make `import fastapi`, and of everything below it, give FastrAPI's modules.

    From then on `fastapi` and `fastrapi` are the same modules and classes,
    whether or not the real FastAPI is installed.  To be called before anything
    imports `fastapi`; a second call does nothing.  `fastapi.__version__` is then
    the version of FastAPI that FastrAPI is compatible with.
    """
    package = sys.modules[REAL]
    found = sys.modules.get(ALIAS)
    if found is package:
        return
    if found is not None:
        version, file = getattr(found, "__version__", "?"), getattr(found, "__file__", None)
        raise RuntimeError(
            f"fastrapi can't stand in for fastapi: fastapi {version} from {file} has been imported already. "
            "Call fastrapi.install_as_fastapi() before the first import of fastapi, or of a package that imports it"
        )
    sys.meta_path.insert(0, _AliasFinder())
    sys.modules[ALIAS] = package
    vars(package)["__version__"] = FASTAPI_VERSION
    _name_exceptions()
