"""Servers and connections, started when the first case of an application runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from client import Client
from pair import Pair
from servers import Server, daemon, peer_python, start_daemon, start_peer


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Pair]]:
    """pair(app) starts both servers once; all are stopped at the end."""
    against_peer = os.environ.get("FASTRAPI_DIFF_SUBJECT") == "peer"
    folder = tmp_path_factory.mktemp("differential")
    servers: list[Server] = []
    pairs: dict[str, Pair | str] = {}

    if not peer_python().exists():
        pytest.fail(f"no peer: {peer_python()} (see README.md)", pytrace=False)
    if not against_peer and not daemon().exists():
        pytest.fail(f"no daemon: {daemon()} (see README.md)", pytrace=False)

    def start(app: str) -> Pair:
        if app not in pairs:
            try:
                peer = start_peer(app, folder / f"{app}-peer.log")
                servers.append(peer)
                subject = (start_peer if against_peer else start_daemon)(app, folder / f"{app}-subject.log")
                servers.append(subject)
                pairs[app] = Pair(Client(peer.port), Client(subject.port))
            except RuntimeError as error:
                pairs[app] = str(error)
        found = pairs[app]
        if isinstance(found, str):
            pytest.fail(found, pytrace=False)
        return found

    yield start
    for found in pairs.values():
        if isinstance(found, Pair):
            found.peer.close()
            found.subject.close()
    codes = {server.name: server.stop() for server in servers}
    ended_badly = {name: code for name, code in codes.items() if name.startswith("fastrapid") and code != 0}
    assert not ended_badly, f"exit codes: {ended_badly}"
