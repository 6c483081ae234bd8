"""app.serve(): from a script to the daemon."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from ..logger import logger


def _attribute(module: Any, app: Any) -> str | None:
    names = [name for name, value in vars(module).items() if value is app]
    return str(names[0]) if names else None


def find_app(app: Any) -> tuple[str, str]:
    """`module:attribute` of an application, and the folder to import it from."""
    main = sys.modules.get("__main__")
    if main is not None:
        name = _attribute(main, app)
        file = getattr(main, "__file__", None)
        spec = getattr(main, "__spec__", None)
        if name is not None and spec is not None:
            # python -m package.module: the folder on the path is the current one.
            return f"{spec.name.removesuffix('.__main__')}:{name}", os.getcwd()
        if name is not None and file is not None:
            path = Path(file).resolve()
            return f"{path.stem}:{name}", str(path.parent)
    for module_name, module in list(sys.modules.items()):
        if module is None or module_name == "__main__":
            continue
        name = _attribute(module, app)
        file = getattr(module, "__file__", None)
        if name is not None and file:
            root = Path(file).resolve().parent
            levels = module_name.count(".") + (Path(file).name == "__init__.py")
            for _ in range(levels):
                root = root.parent
            return f"{module_name}:{name}", str(root)
    raise RuntimeError(
        "app.serve() found no module that holds this application: "
        "assign it to a name at the top level of a module, as in `app = FastrAPI()`"
    )


def find_daemon() -> str:
    """The fastrapid that belongs to this interpreter, else the first on the path."""
    beside = Path(sys.executable).parent / "fastrapid"
    if beside.is_file() and os.access(beside, os.X_OK):
        return str(beside)
    found = shutil.which("fastrapid")
    if found is None:
        raise RuntimeError(f"app.serve() found no fastrapid, neither beside {sys.executable} nor on PATH")
    return found


def command(app: Any, host: str | None, port: int | None, workers: int | str | None, config: Any) -> list[str]:
    """The daemon's command line; without host and port, it listens where the configuration says."""
    name, folder = find_app(app)
    words = [find_daemon()]
    if config is not None:
        words += ["-c", os.fspath(config)]
    words += ["--app", name, "--app-dir", folder]
    if host is not None or port is not None:
        host, port = "127.0.0.1" if host is None else host, 8000 if port is None else port
        words += ["--listen", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    if workers is not None:
        words += ["--workers", str(workers)]
    return words


def serve(app: Any, host: str | None, port: int | None, *, workers: int | str | None, config: Any) -> None:
    role = os.environ.get("FASTRAPID_ROLE")
    if role:
        logger.info("serve() does nothing in the server's %s", role)
        return
    words = command(app, host, port, workers, config)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(words[0], words)
