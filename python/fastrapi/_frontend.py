"""
Built frontends: files below a path, for what no route answers.

They come after all routes and slash redirects, wherever in the tree of routers
they were declared; the longest path goes first.
"""

import errno
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from starlette._utils import get_route_path
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URL, Headers
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from . import params
from ._include import IncludeContext, IncludedRouter

if TYPE_CHECKING:
    from .routing import APIRouter

Fallback = Literal["auto", "index.html", "404.html"] | None
Directory = str | os.PathLike[str]

_PAGES = ("text/html", "application/xhtml+xml")


def check_path(path: str) -> str:
    """The path without a slash at its end."""
    assert path, "A frontend path cannot be empty"
    assert path.startswith("/"), "A frontend path must start with '/'"
    return path.rstrip("/")


def wants_check(directory: Directory, check_dir: bool | Literal["auto"]) -> bool:
    """Whether the directory must be there now; the warning is about the caller's caller."""
    if check_dir != "auto":
        return check_dir
    if os.environ.get("FASTAPI_ENV") != "development":
        return True
    if not os.path.isdir(directory):
        warnings.warn(_missing(directory), stacklevel=3)
    return False


def _missing(directory: Directory) -> str:
    return (
        f"Frontend directory '{directory}' does not exist. Resolved absolute path: '{os.path.realpath(directory)}'"
    )


def asks_for_page(scope: Scope) -> bool:
    """Whether a request names HTML among what it accepts: somebody follows a link."""
    for item in Headers(scope=scope).get("accept", "").split(","):
        name, *options = [part.strip() for part in item.lower().split(";")]
        if name not in _PAGES:
            continue
        quality = 1.0
        for option in options:
            key, _, value = option.partition("=")
            if key.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    pass
        if quality:
            return True
    return False


class FrontendFiles(StaticFiles):
    """The files of a frontend, and what is answered instead of those that are not there."""

    def __init__(self, directory: Directory, fallback: Fallback, check_dir: bool) -> None:
        assert fallback in ("auto", "index.html", "404.html", None), (
            "fallback must be 'auto', 'index.html', '404.html' or None"
        )
        self.fallback = fallback
        if check_dir and not os.path.isdir(directory):
            raise RuntimeError(_missing(directory))
        super().__init__(directory=directory, html=True, check_dir=check_dir)
        if check_dir and fallback in ("index.html", "404.html") and not self._is_file(fallback):
            raise self._no_fallback(fallback)

    def _is_file(self, name: str) -> bool:
        found = self.lookup_path(name)[1]
        return found is not None and stat.S_ISREG(found.st_mode)

    def _no_fallback(self, name: str) -> RuntimeError:
        assert self.directory is not None
        return RuntimeError(
            f"Frontend fallback file '{name}' does not exist in directory '{self.directory}'. "
            f"Resolved absolute directory: '{os.path.realpath(self.directory)}'"
        )

    def _find(self, path: str) -> tuple[str, os.stat_result, bool] | None:
        """A file, or the index of a directory: its path, and whether it is an index."""
        full_path, found = self.lookup_path(path)
        if found is not None and stat.S_ISREG(found.st_mode):
            return full_path, found, False
        if found is not None and stat.S_ISDIR(found.st_mode):
            full_path, found = self.lookup_path(os.path.join(path, "index.html"))
            if found is not None and stat.S_ISREG(found.st_mode):
                return full_path, found, True
        return None

    async def _found(self, path: str) -> tuple[str, os.stat_result, bool] | None:
        try:
            return await run_in_threadpool(self._find, path)
        except PermissionError:
            raise HTTPException(status_code=401) from None
        except ValueError:  # a null byte, say
            raise HTTPException(status_code=404) from None
        except OSError as exc:
            if exc.errno == errno.ENAMETOOLONG:
                raise HTTPException(status_code=404) from None
            raise

    async def answer(self, below: str, scope: Scope) -> Response:
        """The response to a request for the path below the frontend's own."""
        if not self.config_checked:
            await self.check_config()
            self.config_checked = True
        found = await self._found(os.path.normpath(os.path.join(*below.split("/"))))
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(status_code=404 if found is None else 405)
        if found is None:
            return await self._instead(scope)
        full_path, status, is_index = found
        if is_index and not scope["path"].endswith("/"):
            url = URL(scope=scope)
            return RedirectResponse(url.replace(path=url.path + "/"))
        return self.file_response(full_path, status, scope)

    async def _instead(self, scope: Scope) -> Response:
        name = self.fallback
        if name == "auto":
            name = await run_in_threadpool(self._choose)
        if name is None or (name == "index.html" and not asks_for_page(scope)):
            raise HTTPException(status_code=404)
        full_path, status = await run_in_threadpool(self.lookup_path, name)
        if status is None or not stat.S_ISREG(status.st_mode):
            raise self._no_fallback(name)
        return self.file_response(full_path, status, scope, status_code=404 if name == "404.html" else 200)

    def _choose(self) -> Fallback:
        choices: tuple[Fallback, ...] = ("404.html", "index.html")
        return next((name for name in choices if name and self._is_file(name)), None)


class Frontend:
    """One frontend as its router declares it."""

    def __init__(
        self, path: str, files: FrontendFiles, dependencies: Sequence[params.Depends], provider: Any | None
    ) -> None:
        self.path = path
        self.files = files
        self.dependencies = list(dependencies)
        self.provider = provider


class FrontendRoute:
    """A frontend where it is, below the prefixes of the routers around: an ASGI callable."""

    def __init__(self, frontend: Frontend, context: IncludeContext | None, limit: int | None) -> None:
        from ._runtime.files import files_app
        from ._runtime.limits import BodyLimit

        prefix = context.prefix if context is not None else ""
        self.path = prefix + frontend.path
        outer = context.dependencies if context is not None else []
        provider = frontend.provider if context is None else context.dependency_overrides_provider
        self.files = frontend.files
        app = files_app(self, [*outer, *frontend.dependencies], provider)
        self.app: ASGIApp = app if limit is None else BodyLimit(app, limit)

    def below(self, scope: Scope) -> str | None:
        """What of a request's path is below the frontend's; None if it is not."""
        path = get_route_path(scope)
        if not self.path:
            return path.lstrip("/")
        if path == self.path:
            return ""
        return path[len(self.path) + 1 :] if path.startswith(self.path + "/") else None


class Frontends:
    """All frontends of a router and of those in it: what answers when no route does."""

    def __init__(self, router: "APIRouter") -> None:
        routes = list(_routes(router))
        self._routes = sorted(routes, key=lambda route: len(route.path), reverse=True)

    def __bool__(self) -> bool:
        return bool(self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for route in self._routes:
            if route.below(scope) is not None:
                telemetry = scope.get("fastapi.telemetry")
                if telemetry is not None:
                    telemetry.select(route.path + "/{path}")
                await route.app(scope, receive, send)
                return
        raise HTTPException(status_code=404)


def _routes(router: "APIRouter", around: IncludeContext | None = None) -> Iterator[FrontendRoute]:
    limit = router.max_body_size if around is None else around.max_body_size
    for frontend in router._frontends:
        yield FrontendRoute(frontend, around, limit)
    for route in router.routes:
        if isinstance(route, IncludedRouter):
            context = route.include_context
            yield from _routes(route.original_router, context if around is None else around.combine(context))
