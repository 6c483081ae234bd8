"""Random dependency graphs: a plan and the solver in Python do the same, in the same order."""

import inspect
import random
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from fastrapi import Depends, FastrAPI, Header, Query, Request, Response, Security
from fastrapi.routing import APIRoute
from fastrapi.security import SecurityScopes
from fastrapi.testclient import TestClient

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`")


class InPython(APIRoute):
    """A route without a plan."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        return super().get_route_handler()


Log = list[str]


def with_parameters(function: Any, parameters: dict[str, Any]) -> Any:
    """Give a function that takes **values the parameters that the graph wants."""
    signature = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        for name, annotation in parameters.items()
    ]
    function.__signature__ = inspect.Signature(signature)
    return function


def dependency(kind: str, name: str, log: Log, parameters: dict[str, Any]) -> Any:
    def note(values: dict[str, Any]) -> str:
        plain = {k: v.scopes if isinstance(v, SecurityScopes) else v for k, v in values.items()}
        log.append(f"{name} {sorted(plain.items())}")
        return f"{name}#{sum(line.startswith(name) for line in log)}"

    def sync(**values: Any) -> Any:
        return note(values)

    async def coroutine(**values: Any) -> Any:
        return note(values)

    def generator(**values: Any) -> Any:
        yield note(values)
        log.append(f"exit {name}")

    async def agenerator(**values: Any) -> Any:
        yield note(values)
        log.append(f"exit {name}")

    kinds = {"sync": sync, "async": coroutine, "gen": generator, "agen": agenerator}
    function = kinds[kind]
    function.__name__ = name
    return with_parameters(function, parameters)


def parameters(chance: random.Random, made: list[Any]) -> dict[str, Any]:
    """Some parameters, which may need what was made before."""
    found: dict[str, Any] = {}
    for index in range(chance.randint(0, 3)):
        kind = chance.random()
        if made and kind < 0.6:
            function = chance.choice(made)
            cached = chance.random() < 0.7
            if chance.random() < 0.3:
                scopes = chance.sample(["a", "b", "c"], chance.randint(0, 2))
                mark = Security(function, scopes=scopes, use_cache=cached)
            else:
                mark = Depends(function, use_cache=cached)
            found[f"d{index}"] = Annotated[Any, mark]
        elif kind < 0.75:
            found[f"q{chance.randint(0, 2)}"] = Annotated[int, Query()]
        elif kind < 0.85:
            found["x_h"] = Annotated[int | None, Header()]
        elif kind < 0.95:
            found["scopes"] = SecurityScopes
    return found


def application(seed: int, route_class: type[APIRoute], log: Log) -> FastrAPI:
    chance = random.Random(seed)
    made: list[Any] = []
    for index in range(chance.randint(1, 6)):
        own = parameters(chance, made)
        kind = chance.choice(["sync", "async", "gen", "agen"])
        made.append(dependency(kind, f"f{index}", log, own))
    app = FastrAPI(openapi_url=None)
    app.router.route_class = route_class
    wanted = parameters(chance, made)
    wanted["last"] = Annotated[Any, Depends(made[-1])]

    def endpoint(**values: Any) -> Any:
        log.append("endpoint")
        values.pop("scopes", None)
        return values

    async def aendpoint(**values: Any) -> Any:
        return endpoint(**values)

    before = [Depends(made[0])] if chance.random() < 0.3 else []
    function = endpoint if chance.random() < 0.5 else aendpoint
    app.get("/", dependencies=before, response_model=None)(with_parameters(function, wanted))
    return app


REQUESTS = [
    ("/?q0=1&q1=2&q2=3", {}),
    ("/?q0=1&q1=x&q2=3", {}),
    ("/?q0=1&q2=3", {"x-h": "4"}),
    ("/", {"x-h": "y"}),
]


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_random_graphs(start: int) -> None:
    answered = set()
    for seed in range(start, start + 20):
        logs: tuple[Log, Log] = ([], [])
        plan = TestClient(application(seed, APIRoute, logs[0]))
        python = TestClient(application(seed, InPython, logs[1]))
        for url, headers in REQUESTS:
            logs[0].clear()
            logs[1].clear()
            one: Response | Any = plan.get(url, headers=headers)
            other = python.get(url, headers=headers)
            answered.add(one.status_code)
            assert (one.status_code, one.json()) == (other.status_code, other.json()), (seed, url)
            assert logs[0] == logs[1], (seed, url)
    assert answered == {200, 422}
