"""The scripts and styles of the documentation's pages from a folder of this machine."""

import os
from collections.abc import Awaitable, Callable, Collection

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

SWAGGER_JS = "swagger-ui-bundle.js"
SWAGGER_CSS = "swagger-ui.css"
REDOC_JS = "redoc.standalone.js"
SCALAR_JS = "scalar.standalone.js"
FAVICON = "favicon.png"


def asset_endpoints(
    directory: str | os.PathLike[str], names: Collection[str]
) -> dict[str, Callable[[Request], Awaitable[Response]]]:
    """
    An endpoint for each of the files that pages want; they have to be there now.

    Endpoints and not a mount: behind a proxy that takes the root path off, a
    mount does not find its files. And nothing else of the folder is served.
    """
    missing = sorted(name for name in names if not os.path.isfile(os.path.join(directory, name)))
    if missing:
        raise FileNotFoundError(
            f"docs_assets: {os.fspath(directory)!r} has no {', '.join(missing)}; "
            f"the pages of this application want {', '.join(sorted(names))} there "
            f"(resolved: {os.path.realpath(directory)!r})"
        )
    # The names are ours, so a link leads where the folder's owner wants.
    files = StaticFiles(directory=directory, follow_symlink=True)

    def serving(name: str) -> Callable[[Request], Awaitable[Response]]:
        async def serve_docs_asset(request: Request) -> Response:
            return await files.get_response(name, request.scope)

        return serve_docs_asset

    return {name: serving(name) for name in names}
