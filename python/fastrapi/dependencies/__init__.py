"""How dependencies are analysed, at FastAPI's import paths."""

from .._lazy import submodules as _submodules

_submodules(__name__, "models", "utils")
