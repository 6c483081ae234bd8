"""Describing an application in OpenAPI."""

from .._lazy import submodules as _submodules

_submodules(__name__, "constants", "docs", "models", "utils")
