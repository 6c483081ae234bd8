"""Middleware that comes with Starlette."""

from starlette.middleware import Middleware as Middleware

from .._lazy import submodules as _submodules

_submodules(__name__, "asyncexitstack")
