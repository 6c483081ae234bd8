"""`import fastapi` gives fastrapi: with this folder on PYTHONPATH, in every process that a test starts."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import fastrapi
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
    "dependencies.utils": {"_read_file_bytes": None},
    "routing": {
        "_IncludedRouter": None,
        "_iter_included_route_candidates": None,
        "_restore_fastapi_scope_key": None,
    },
    "telemetry._runtime": {},
}


def exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # no such parent, or one without submodules
        return False


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


del sys.modules["fastapi"]  # this file
fastrapi.install_as_fastapi()
importlib.import_module("fastapi")
add_stand_ins()
