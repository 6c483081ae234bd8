"""Print what becomes of each application in docs_src as JSON.

Each module is imported in a child, as their tables and routes would else meet.  An application
is described by its document, with sorted keys, and under fastrapi by what the manifest makes of
each HTTP route.  A module that can't be imported has the exception's name instead.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastapi
import fastapi.testclient  # once, not in each child

# What some of them read.
os.environ |= {"ADMIN_EMAIL": "admin@example.com", "FASTAPI_OTEL_AUTO_CONFIGURE": "false"}


def applications(module: Any) -> Iterator[tuple[str, fastapi.FastAPI]]:
    for name, value in sorted(vars(module).items()):
        if isinstance(value, fastapi.FastAPI):
            yield name, value


def plans(app: Any) -> list[list[str]]:
    """Kind, and methods and path, of each route that isn't the documentation's."""
    manifest, _ = app._compiled()
    http = [one for one in manifest["routes"] if one["kind"] != "websocket"]
    own = [one for one in http if one["path"] not in standing(app)]
    return [[one["kind"], f"{','.join(one['methods'] or ['*'])} {one['path']}"] for one in own]


def standing(app: Any) -> set[str | None]:
    """The paths of the documentation's own pages."""
    return {app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url}


def describe(module_name: str) -> dict[str, Any]:
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        return {module_name: {"error": type(error).__name__}}
    found: dict[str, Any] = {}
    for name, app in applications(module):
        one: dict[str, Any] = {"document": json.dumps(app.openapi(), sort_keys=True)}
        found[f"{module_name}:{name}"] = one
        if hasattr(app, "_compiled"):
            one["routes"] = plans(app)
    return found


def in_child(module_name: str) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            result: Any = describe(module_name)
        except BaseException as error:
            result = {module_name: {"error": f"after the import: {error!r}"}}
        with open(writing, "w") as pipe:
            json.dump(result, pipe)
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return dict(json.loads(text)) if text else {module_name: {"error": "the process ended"}}


def main() -> None:
    warnings.simplefilter("ignore")
    gc.collect()
    gc.freeze()
    found: dict[str, Any] = {}
    for file in sorted(Path("docs_src").rglob("*.py")):
        if "FastAPI(" in file.read_text():
            found |= in_child(".".join(file.with_suffix("").parts))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
