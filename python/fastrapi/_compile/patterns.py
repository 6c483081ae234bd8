"""Paths as segments, where the route table can hold them."""

import re

from starlette.convertors import CONVERTOR_TYPES

# The convertors that the route table knows; more may be registered under other names.
_KNOWN = {name: type(CONVERTOR_TYPES[name]) for name in ("str", "path", "int", "float", "uuid")}
PARAM = re.compile(r"{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?}")


def pattern_of(path: str) -> list[list[str]] | None:
    """A path as segments; None if it is more than that."""
    segments: list[list[str]] = []
    parts = path[1:].split("/")
    for index, part in enumerate(parts):
        found = PARAM.fullmatch(part)
        if found is None:
            if PARAM.search(part):
                return None
            segments.append(["lit", part])
            continue
        name, convertor = found.group(1), found.group(2) or "str"
        if type(CONVERTOR_TYPES.get(convertor)) is not _KNOWN.get(convertor):
            return None
        if convertor == "path" and index + 1 < len(parts):
            return None
        segments.append([convertor, name])
    return segments if path.startswith("/") else None


def literal_start(path: str) -> str:
    """What every path that matches begins with."""
    found = PARAM.search(path)
    return path[: found.start()] if found else path
