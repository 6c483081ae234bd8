"""FastAPI's public modules, names, parameters and defaults are fastrapi's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from prepared import Prepared

# What fastrapi has not, and why.  A name, or a module's all.
MISSING = {
    "cli": "the program of the package fastapi-cli; ours is fastrapid",
    "openapi.utils.get_openapi_operation_request_body": "a step of get_openapi(), whose arguments are FastAPI's tables",
    "openapi.utils.get_openapi_path": "a step of get_openapi(), whose arguments are FastAPI's tables",
}
# Keyword parameters that are ours alone; they have defaults.
OURS = {"sync_handlers", "json_encoder", "scalar_url", "docs_assets"}


def calls(described: dict[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """A name and a class's members, with the parameters of each; private parameters don't count."""
    call = described.get("call")
    yield name, call and [one for one in call if not one[0].startswith("_")]
    for member, inner in described.get("members", {}).items():
        yield from calls(inner, f"{name}.{member}")


def flat(package: dict[str, Any], wanted: dict[str, list[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module, names in wanted.items():
        for name in names:
            described = package.get(module, {"names": {}})["names"].get(name)
            if described is not None:
                found |= calls(described, f"{module}.{name}" if module else name)
    return found


@pytest.fixture(scope="module")
def walked(prepared: Prepared) -> tuple[dict[str, Any], dict[str, Any]]:
    """What FastAPI has, and what fastrapi has of that."""
    peer = json.loads(prepared.run("signatures.py", "fastapi", peer=True))
    ours = json.loads(prepared.run("signatures.py", "fastrapi"))
    wanted = {module: described["public"] for module, described in peer.items()}
    return flat(peer, wanted), flat(ours, wanted)


def is_excused(name: str) -> bool:
    return any(name == known or name.startswith(f"{known}.") for known in MISSING)


def test_the_same_names(walked: tuple[dict[str, Any], dict[str, Any]]) -> None:
    peer, ours = walked
    assert len(peer) > 700
    assert [name for name in peer if name not in ours and not is_excused(name)] == []
    assert [name for name in MISSING if not any(one == name or one.startswith(f"{name}.") for one in peer)] == []
    assert [name for name in MISSING if name in ours] == []


def test_the_same_signatures(walked: tuple[dict[str, Any], dict[str, Any]]) -> None:
    peer, ours = walked
    assert sum(bool(call) for call in peer.values()) > 400
    different = {}
    for name, call in peer.items():
        if name in ours:
            own = ours[name] and [one for one in ours[name] if one[0] not in OURS or one[2] == "required"]
            if own != call:
                different[name] = {"FastAPI": call, "fastrapi": own}
    assert different == {}
