"""
Analysis at load: signatures -> dependants -> plans -> the manifest.

Nothing of it runs while a request is answered.
"""

from typing import Any


def compile_app(
    app: Any, name: str = "main:app", *, overrides: dict[Any, Any] | None = None
) -> tuple[dict[str, Any], list[Any]]:
    """The manifest of an application, and the objects that its ids stand for."""
    from .manifest import compile_app as compile_

    return compile_(app, name, overrides or {})


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    """A manifest as the canonical JSON whose fingerprint is compared."""
    from .manifest import manifest_bytes as encode

    return encode(manifest)


def emit(app: Any, name: str) -> bytes:
    """What the loader writes, after it has said what is wrong."""
    from .checks import complete

    manifest = compile_app(app, name)[0]
    complete(app)
    return manifest_bytes(manifest)


def bind(app: Any, name: str) -> tuple[bytes, list[Any]]:
    """What a worker compares with the loader's, and what it binds."""
    manifest, objects = compile_app(app, name)
    return manifest_bytes(manifest), objects
