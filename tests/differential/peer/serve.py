"""Serve one application with FastAPI and uvicorn: serve.py APP_DIR MODULE:ATTRIBUTE PORT"""

from __future__ import annotations

import sys

import uvicorn

import alias


def main() -> None:
    app_dir, app, port = sys.argv[1:]
    alias.install()
    sys.path.insert(0, app_dir)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        # Who may speak for a client is the server's business, not the framework's.
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
