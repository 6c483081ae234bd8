"""Random scalar values at every place a scalar can stand: one test each type and place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from client import Broken
from compare import explain, same
from conftest import Pair
from randoms import EACH, MAKERS, PLACES, batch

BATCHES = [(place, kind) for place in PLACES for kind in MAKERS]


@pytest.mark.parametrize(("place", "kind"), BATCHES)
def test_random_values(place: str, kind: str, pair: Callable[[str], Pair]) -> None:
    both = pair("scalars")
    failures = []
    for number, request in enumerate(batch(place, kind), 1):
        peer = both.peer.send(request)
        try:
            subject = both.subject.send(request)
        except (Broken, OSError) as error:
            both.subject.close()
            failures.append(f"{request.wire()!r}: {error!r}\npeer: {peer}")
            continue
        if not same(peer, subject):
            failures.append(explain(f"{place} {kind} {number}", request, peer, subject))
    if failures:
        pytest.fail(f"{len(failures)} of {EACH} differ\n" + "\n\n".join(failures), pytrace=False)


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
