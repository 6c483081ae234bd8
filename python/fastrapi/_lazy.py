"""Submodules as attributes of their package, imported when somebody asks for them."""

import sys
from importlib import import_module
from typing import Any


def submodules(package: str, *names: str) -> None:
    """
    Let `package.name` do without an import of its own, for each name.

    Applications say `import fastapi` and then `fastapi.openapi.utils`, because
    FastAPI imports these modules itself.
    """

    def get(name: str) -> Any:
        if name in names:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    # Not written down there: type checkers would take any name for one that exists.
    vars(sys.modules[package])["__getattr__"] = get
