"""Random scalar values at every place a scalar can stand: one test each type and place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cases import post
from client import Broken, Request
from compare import explain, same
from pair import Pair
from randoms import EACH, MAKERS, PLACES, batch, documents

BATCHES = [(place, kind) for place in PLACES for kind in MAKERS]


ECHOES = ("/any-echo", "/any-echo-typed", "/any-echo-model", "/any")


def compare_all(both: Pair, name: str, requests: list[Request]) -> None:
    failures = []
    for number, request in enumerate(requests, 1):
        peer = both.peer.send(request)
        try:
            subject = both.subject.send(request)
        except (Broken, OSError) as error:
            both.subject.close()
            failures.append(f"{request.wire()!r}: {error!r}\npeer: {peer}")
            continue
        if not same(peer, subject):
            failures.append(explain(f"{name} {number}", request, peer, subject))
    if failures:
        pytest.fail(f"{len(failures)} of {len(requests)} differ\n" + "\n\n".join(failures), pytrace=False)


@pytest.mark.parametrize(("place", "kind"), BATCHES)
def test_random_values(place: str, kind: str, pair: Callable[[str], Pair]) -> None:
    compare_all(pair("scalars"), f"{place} {kind}", batch(place, kind))


@pytest.mark.parametrize("target", ECHOES)
@pytest.mark.parametrize("number", range(8))
def test_random_documents(target: str, number: int, pair: Callable[[str], Pair]) -> None:
    """Any JSON, in and out again."""
    texts = documents(number)
    if target.endswith("model"):
        texts = [f'{{"value": {text}, "more": {text}}}' for text in texts]
    compare_all(pair("bodies"), target, [post(target, text.encode()) for text in texts])


def test_there_are_enough_values() -> None:
    assert len(BATCHES) * EACH >= 2000


def test_values_are_valid_and_invalid(pair: Callable[[str], Pair]) -> None:
    """The generators are no use if all they make is refused, or all is taken."""
    peer = pair("scalars").peer
    for kind in MAKERS:
        statuses = [peer.send(request).status for place in PLACES for request in batch(place, kind)]
        assert statuses.count(200) >= 5, f"{kind}: {statuses}"
        if kind != "str":
            assert sum(status != 200 for status in statuses) >= 5, f"{kind}: {statuses}"
