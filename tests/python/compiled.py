"""Applications, and what they are compiled to."""

from typing import Any

from fastrapi import FastrAPI
from fastrapi._compile import compile_app


def application(**options: Any) -> FastrAPI:
    return FastrAPI(openapi_url=None, **options)


def routes_of(app: FastrAPI) -> tuple[list[dict[str, Any]], list[Any]]:
    manifest, objects = compile_app(app)
    assert len(manifest["objects"]) == len(objects)
    return manifest["routes"], objects


def only(app: FastrAPI) -> tuple[dict[str, Any], list[Any]]:
    routes, objects = routes_of(app)
    assert len(routes) == 1
    return routes[0], objects


def ops(route: dict[str, Any]) -> list[str]:
    return [step["op"] for step in route["steps"]]


def step_of(route: dict[str, Any], op: str, name: str | None = None) -> dict[str, Any]:
    found = [s for s in route["steps"] if s["op"] == op and name in (None, s.get("name"))]
    assert len(found) == 1, found
    return dict(found[0])
