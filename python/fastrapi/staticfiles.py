"""Serving a folder of files."""

from starlette.staticfiles import StaticFiles as StaticFiles
