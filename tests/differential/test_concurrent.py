"""The same requests from several connections at once: nobody gets another's answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import Broken, Client, Request
from compare import explain, same
from pair import Pair
from randoms import SEED
from test_cases import CASES

CONNECTIONS = 4
APPS = list(dict.fromkeys(case.app for case in CASES))


def ask_all(port: int, order: list[int], requests: list[Request], wanted: list) -> list[str]:
    client = Client(port)
    failures = []
    for number in order:
        request = requests[number]
        try:
            got = client.send(request)
        except (Broken, OSError) as error:
            client.close()
            failures.append(f"{request.wire()[:500]!r}: {error!r}")
            continue
        if not same(wanted[number], got):
            failures.append(explain("concurrent", request, wanted[number], got))
    client.close()
    return failures


@pytest.mark.parametrize("app", APPS)
def test_connections_do_not_meet(app: str, pair: Callable[[str], Pair]) -> None:
    both = pair(app)
    # Sequences keep state in the application, and are left out for that.
    requests = [case.requests[0] for case in CASES if case.app == app and len(case.requests) == 1]
    wanted = [both.peer.send(request) for request in requests]
    orders = [random.Random(f"{SEED} {number}").sample(range(len(requests)), len(requests)) for number in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        results = pool.map(lambda order: ask_all(both.subject.port, order, requests, wanted), orders)
        failures = [failure for result in results for failure in result]
    if failures:
        pytest.fail(f"{len(failures)} of {CONNECTIONS * len(requests)} differ\n" + "\n\n".join(failures[:5]), pytrace=False)
