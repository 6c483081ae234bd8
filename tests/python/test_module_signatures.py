"""Names, parameters and defaults that the differential test does not look at are FastAPI's too."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PEER = Path(os.environ.get("FASTRAPI_PEER_PYTHON", Path(__file__).parents[2] / "_build/peer/bin/python"))

NAMES = {
    "": "FastAPI WebSocketException UploadFile.read UploadFile.write UploadFile.seek BackgroundTasks.add_task "
    "FastAPI.add_api_websocket_route FastAPI.websocket FastAPI.websocket_route FastAPI.openapi FastAPI.setup "
    "APIRouter.add_api_websocket_route APIRouter.websocket APIRouter.websocket_route APIRouter.add_event_handler "
    "APIRouter.route APIRouter.add_route",
    "concurrency": "contextmanager_in_threadpool",
    "dependencies.utils": "analyze_param get_typed_signature get_parameterless_sub_dependant get_dependant",
    "exceptions": "WebSocketRequestValidationError",
    "openapi.docs": "get_swagger_ui_html get_redoc_html get_swagger_ui_oauth2_redirect_html",
    "openapi.utils": "get_openapi get_fields_from_routes",
    "routing": "APIWebSocketRoute APIRoute.get_route_handler iter_route_contexts",
    "security": "APIKeyCookie APIKeyHeader APIKeyQuery HTTPBasic HTTPBasicCredentials HTTPBearer HTTPDigest OAuth2 "
    "OAuth2AuthorizationCodeBearer OAuth2PasswordBearer OAuth2PasswordRequestForm OAuth2PasswordRequestFormStrict "
    "OpenIdConnect SecurityScopes",
    "sse": "format_sse_event EventSourceResponse",
    "utils": "create_model_field deep_dict_update get_value_or_default is_body_allowed_for_status_code "
    "get_path_param_names generate_unique_id",
}

# Keyword parameters that are ours alone; they have defaults.
OURS = {"json_encoder", "scalar_url", "docs_assets"}

SCRIPT = """
import functools, importlib, inspect, json, sys

def plain(value):
    if value is inspect.Parameter.empty:
        return "required"
    if type(value).__name__ == "DefaultPlaceholder":
        return f"Default({plain(value.value)})"
    if callable(value):
        return getattr(value, "__qualname__", str(value))
    return repr(value)

package, names = sys.argv[1], json.loads(sys.argv[2])
found = {}
for module_name, members in names.items():
    module = importlib.import_module(f"{package}.{module_name}" if module_name else package)
    for member in members.split():
        target = functools.reduce(getattr, member.split("."), module)
        # The order of keyword-only parameters means nothing.
        parameters = inspect.signature(target).parameters.values()
        found[f"{module_name}.{member}"] = [
            [p.kind.name, p.name, plain(p.default)]
            for p in sorted(parameters, key=lambda p: p.name if p.kind is p.KEYWORD_ONLY else "")
        ]
print(json.dumps(found))
"""


def dump(python: str | Path, package: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", SCRIPT, package, json.dumps(NAMES)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_signatures_are_fastapis() -> None:
    if not PEER.exists():
        pytest.skip(f"no FastAPI to compare with: {PEER}")
    ours, peer = dump(sys.executable, "fastrapi"), dump(PEER, "fastapi")
    assert len(ours) > 50
    for name, parameters in ours.items():
        ours[name] = [one for one in parameters if one[1] not in OURS or one[2] == "required"]
    assert ours == peer
