"""`import fastapi` gives fastrapi: with this folder on PYTHONPATH, in every process that a test starts.

`fastapi` and its submodules are fastrapi's modules themselves, not copies of them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pydantic
from pydantic_core import PydanticUndefined

# Private names that test files import at their top.  Where fastrapi has none such, this stands
# in, so that the file's other tests run; those that use one that is None are in excluded.txt.
STAND_INS: dict[str, dict[str, Any]] = {
    "_compat": {
        "PYDANTIC_VERSION_MINOR_TUPLE": tuple(int(part) for part in pydantic.VERSION.split(".")[:2]),
        "Undefined": PydanticUndefined,
        "is_uploadfile_sequence_annotation": None,
    },
    "_compat.shared": {"is_bytes_sequence_annotation": None},
    "_form_limits": {"_FormLimits": dict},
    "dependencies.utils": {
        "_read_file_bytes": None,
        "get_dependant": None,
        "request_body_to_args": None,
        "request_params_to_args": None,
    },
    "routing": {
        "_IncludedRouter": None,
        "_iter_included_route_candidates": None,
        "_restore_fastapi_scope_key": None,
    },
    "telemetry._runtime": {},
}


def ours(name: str) -> str:
    return "fastrapi" + name.removeprefix("fastapi")


def exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # no such parent, or one without submodules
        return False


class Alias(MetaPathFinder, Loader):
    """Finds fastapi.x, and loads it by importing fastrapi.x."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.startswith("fastapi.") and exists(ours(fullname)):
            return ModuleSpec(fullname, self)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(ours(spec.name))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has written the alias's spec into it.
        assert module.__spec__
        module.__spec__ = module.__spec__.loader_state


def add_stand_ins() -> None:
    for short, values in STAND_INS.items():
        name = f"fastrapi.{short}"
        if exists(name):
            module = importlib.import_module(name)
        else:
            module = ModuleType(name)
            module.__path__ = []
            module.__spec__ = ModuleSpec(name, None, is_package=True)
            parent, _, last = name.rpartition(".")
            setattr(sys.modules[parent], last, module)
            sys.modules[name] = module
        for key, value in values.items():
            vars(module).setdefault(key, value)


sys.modules["fastapi"] = importlib.import_module("fastrapi")
sys.meta_path.insert(0, Alias())
add_stand_ins()
