"""Print the signatures of a package's public names as JSON: signatures.py PACKAGE

Runs in both interpreters, so it uses nothing but the package.  Annotations are
left out: they are not what a caller can see a difference in.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from typing import Any

NAMES = {
    "": "APIRouter BackgroundTasks Body Cookie Depends File Form HTTPException Header Path Query Request Response "
    "Security UploadFile",
    "applications": "",
    "background": "BackgroundTasks",
    "datastructures": "UploadFile Default",
    "encoders": "jsonable_encoder",
    "exceptions": "HTTPException RequestValidationError ResponseValidationError ValidationException",
    "exception_handlers": "http_exception_handler request_validation_exception_handler",
    "param_functions": "Body Cookie Depends File Form Header Path Query Security",
    "params": "Body Cookie Depends File Form Header Param Path Query Security",
    "requests": "HTTPConnection Request",
    "responses": "FileResponse HTMLResponse JSONResponse PlainTextResponse RedirectResponse Response StreamingResponse",
    "routing": "APIRoute APIRouter",
    "security": "HTTPAuthorizationCredentials HTTPBearer SecurityScopes",
}
METHODS = (
    "__init__ get put post delete options head patch trace api_route add_api_route include_router exception_handler "
    "middleware on_event url_path_for"
).split()


def plain(default: Any) -> str:
    """A default as text without addresses and without either package's name."""
    if type(default).__name__ == "DefaultPlaceholder":
        return f"Default({plain(default.value)})"
    if callable(default):
        return str(getattr(default, "__qualname__", default))
    return re.sub(r" at 0x[0-9a-f]+", "", repr(default)).replace("fastrapi", "fastapi").replace("FastrAPI", "FastAPI")


def of(function: Any) -> list[list[str]]:
    """Name, kind and default of each parameter; the order of keyword-only ones means nothing."""
    empty, by_name = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    parameters = list(inspect.signature(function).parameters.values())
    parameters.sort(key=lambda one: one.name if one.kind is by_name else "")
    return [
        [one.name, one.kind.name, "required" if one.default is empty else plain(one.default)] for one in parameters
    ]


def main() -> None:
    package = sys.argv[1]
    found: dict[str, Any] = {}
    for module_name, names in NAMES.items():
        module = importlib.import_module(f"{package}.{module_name}" if module_name else package)
        for name in names.split():
            value = getattr(module, name, None)
            found[f"{module_name}.{name}"] = None if value is None else of(value)
            if inspect.isclass(value) and name == "APIRouter":
                found |= {f"{module_name}.{name}.{m}": of(getattr(value, m)) for m in METHODS if hasattr(value, m)}
    application = importlib.import_module(package).FastAPI
    found |= {f"FastAPI.{m}": of(getattr(application, m)) for m in METHODS if hasattr(application, m)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
