"""Lets the real FastAPI stand in where an application imports `fastrapi`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings

import fastapi


def install() -> None:
    """Enter fastapi and its modules into sys.modules under our names as well."""
    fastapi.FastrAPI = fastapi.FastAPI  # type: ignore[attr-defined]
    sys.modules["fastrapi"] = fastapi
    for module in pkgutil.walk_packages(fastapi.__path__, "fastapi."):
        if module.name.rpartition(".")[2] in ("__main__", "cli"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loaded = importlib.import_module(module.name)
        except (ImportError, RuntimeError):
            # Needs a package that the peer does not have.
            continue
        sys.modules[module.name.replace("fastapi", "fastrapi", 1)] = loaded
