"""Middleware that comes with Starlette."""

from starlette.middleware import Middleware as Middleware
