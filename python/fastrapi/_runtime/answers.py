"""Answers: from what an endpoint returned to a response."""

import json
from typing import Any

from starlette.background import BackgroundTasks
from starlette.datastructures import URL
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from .._compile.fields import DumpOptions
from .._route import given
from ..encoders import jsonable_encoder
from ..utils import is_body_allowed_for_status_code


def jsonable(content: Any) -> Any:
    """What an endpoint returned, as JSON can hold it."""
    return jsonable_encoder(content)


def encode(content: Any) -> bytes:
    """What an endpoint returned, as the bytes that JSONResponse makes of it."""
    return json.dumps(
        jsonable_encoder(content),
        ensure_ascii=False,
        allow_nan=False,
        indent=None,
        separators=(",", ":"),
    ).encode("utf-8")


def status_of(route: Any, injected: Response | None) -> int | None:
    """The status: what a dependency set, else what is declared, else the class's own."""
    return (injected.status_code if injected is not None else None) or route.status_code or None


def dump_options(route: Any) -> DumpOptions:
    """What of the response model a route sends."""
    return {
        "include": route.response_model_include,
        "exclude": route.response_model_exclude,
        "by_alias": route.response_model_by_alias,
        "exclude_unset": route.response_model_exclude_unset,
        "exclude_defaults": route.response_model_exclude_defaults,
        "exclude_none": route.response_model_exclude_none,
    }


def make_response(
    route: Any,
    content: Any,
    status: int | None = None,
    background: BackgroundTasks | None = None,
    injected: Response | None = None,
    *,
    is_json: bool = False,
) -> Response:
    """
    The response with some content, by the route's response class; with
    `is_json` the content is JSON already.
    """
    options: dict[str, Any] = {"background": background}
    status = status or status_of(route, injected)
    if status:
        options["status_code"] = status
    response: Response
    if is_json:
        response = Response(content, media_type="application/json", **options)
    else:
        response = given(route.response_class)(content, **options)
    if not is_body_allowed_for_status_code(response.status_code):
        response.body = b""
    if injected is not None:
        response.headers.raw.extend(injected.headers.raw)
    return response


def redirect(scope: Scope, path: str) -> Response:
    """The redirect to the same URL with another path."""
    return RedirectResponse(str(URL(scope={**scope, "path": path})))
