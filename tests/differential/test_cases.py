"""Every case of cases_*.py: the same requests to both servers, equal answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import cases_answers
import cases_bodies
import cases_depends
import cases_forms
import cases_params
import cases_routes
import cases_wrapped
from cases import Case
from client import Broken
from compare import explain, same
from pair import Pair

MODULES = (cases_params, cases_bodies, cases_answers, cases_forms, cases_depends, cases_routes, cases_wrapped)
CASES: list[Case] = [case for module in MODULES for case in module.GROUP.cases]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, pair: Callable[[str], Pair]) -> None:
    both = pair(case.app)
    for number, request in enumerate(case.requests, 1):
        name = f"{case.name}, request {number} of {len(case.requests)}"
        peer = both.peer.send(request)
        try:
            subject = both.subject.send(request)
        except (Broken, OSError) as error:
            both.subject.close()
            pytest.fail(f"case {name}: {error!r}\nrequest: {request.wire()[:2000]!r}\npeer: {peer}", pytrace=False)
        if not same(peer, subject):
            pytest.fail(explain(name, request, peer, subject), pytrace=False)


def test_there_are_enough_cases() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 250
