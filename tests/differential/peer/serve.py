"""Serve one application with FastAPI and uvicorn: serve.py APP_DIR MODULE:ATTRIBUTE PORT

Says where it listens before it serves: with 0 the kernel chooses the port.
"""

from __future__ import annotations

import socket
import sys

import uvicorn

import alias


def main() -> None:
    app_dir, app, port = sys.argv[1:]
    alias.install()
    sys.path.insert(0, app_dir)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        # Who may speak for a client is the server's business, not the framework's.
        proxy_headers=False,
    )
    with socket.create_server(("127.0.0.1", int(port)), backlog=config.backlog) as listener:
        print(f"peer listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
