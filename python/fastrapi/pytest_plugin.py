"""
For pytest: `import fastapi` gives FastrAPI's modules in the tests.

    pytest -p fastrapi.pytest_plugin

Plugins named by -p are imported before conftest files and before the plugins
of installed packages, so that nothing has imported FastAPI yet.
"""

from ._alias import install_as_fastapi

install_as_fastapi()


def pytest_report_header() -> str:
    """Tell it at the head of pytest's output."""
    return "fastapi: served by fastrapi"
