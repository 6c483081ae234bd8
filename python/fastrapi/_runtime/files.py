"""Frontends' files, with dependencies in front of them."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import params
from .._compile.fields import Undefined
from .._route import build_dependant
from ..exceptions import RequestValidationError
from .solve import Solver, overrides_of


def _nothing() -> None:
    """The endpoint that the dependencies are declared for."""


def files_app(route: Any, dependencies: Sequence[params.Depends], provider: Any | None) -> ASGIApp:
    """A frontend as an ASGI callable."""
    dependant, _, embed = build_dependant(path="", call=_nothing, dependencies=dependencies)

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        response = await route.files.answer(route.below(scope), scope)
        await response(scope, receive, send)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await plain(scope, receive, send)
            return
        async with AsyncExitStack() as request_stack, AsyncExitStack() as function_stack:
            solver = Solver(
                connection=Request(scope, receive, send),
                body=Undefined,
                embed=embed,
                overrides=overrides_of(provider),
                request_stack=request_stack,
                function_stack=function_stack,
            )
            _, errors = await solver.solve(dependant)
            if errors:
                raise RequestValidationError(errors)
            response = await route.files.answer(route.below(scope), scope)
            if response.background is None:
                response.background = solver.background
            response.headers.raw.extend(solver.response.headers.raw)
            await response(scope, receive, send)

    return guarded if dependencies else plain
