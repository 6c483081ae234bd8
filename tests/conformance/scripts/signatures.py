"""Print the names and signatures of a package's public modules as JSON: signatures.py PACKAGE

Public is what a module defines, or imports "as" itself, under a name without an underscore.
Annotations are left out: they are not what a caller can see a difference in.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

def plain(value: Any) -> str:
    """A default as text without addresses and without either package's name."""
    if type(value).__name__ == "DefaultPlaceholder":
        return f"Default({plain(value.value)})"
    if callable(value):
        return str(getattr(value, "__qualname__", value))
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value)).replace("fastrapi", "fastapi").replace("FastrAPI", "FastAPI")


def signature(function: Any) -> list[list[str]] | None:
    """Name, kind and default of each parameter; the order of keyword-only ones means nothing."""
    empty, by_name = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    parameters.sort(key=lambda one: one.name if one.kind is by_name else "")
    return [
        [one.name, one.kind.name, "required" if one.default is empty else plain(one.default)] for one in parameters
    ]


# In zero-edit mode fastrapi's exceptions say that they are fastapi's.
OWN = ("fastapi", "fastrapi", "starlette")


def home(value: Any) -> str:
    """The package that a value is from."""
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0]
    return str(getattr(value, "__module__", None) or type(value).__module__).partition(".")[0]


def describe(value: Any) -> dict[str, Any]:
    """What kind of thing a name is, and how it is called."""
    if inspect.isclass(value):
        members = {
            name: describe(member)
            for name, member in ((name, inspect.getattr_static(value, name)) for name in dir(value))
            if not name.startswith("_") and any(name in vars(c) for c in value.__mro__ if home(c) in OWN)
        }
        return {"kind": "class", "call": signature(value), "members": members}
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    if inspect.isroutine(value):
        return {"kind": "function", "call": signature(value)}
    return {"kind": "value"}


def modules(package: str) -> dict[str, ModuleType]:
    """The public modules, by their name below the package."""
    found = {"": importlib.import_module(package)}
    for module in pkgutil.walk_packages(found[""].__path__, f"{package}."):
        name = module.name.partition(".")[2]
        if any(part.startswith("_") for part in name.split(".")):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[name] = importlib.import_module(module.name)
        except ImportError as error:
            print(f"{module.name}: {error}", file=sys.stderr)
    return found


def bound(body: list[ast.stmt]) -> Iterator[tuple[str, bool]]:
    """The names that statements bind, and whether a reader may rely on them."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, True
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((target.id, True) for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name, alias.asname == alias.name) for alias in node.names)
        elif isinstance(node, ast.If | ast.Try):
            yield from bound([*node.body, *node.orelse])
            for handler in getattr(node, "handlers", []):
                yield from bound(handler.body)


def public(module: ModuleType) -> set[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return set(listed)
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text())
    return {name for name, is_public in bound(tree.body) if is_public and not name.startswith("_")}


def main() -> None:
    """`public` lists names by the package's own sources; `names` has all there are."""
    package = sys.argv[1]
    found: dict[str, Any] = {}
    for module_name, module in modules(package).items():
        values = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
        found[module_name] = {
            "public": sorted(public(module) & set(values)),
            "names": {name: describe(value) for name, value in values.items()},
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
