"""fastapi-cache2: answers kept in memory, with their headers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.testclient import TestClient
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.decorator import cache


def test_answers_are_kept() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        FastAPICache.init(InMemoryBackend(), prefix="test")
        yield

    app = FastAPI(lifespan=lifespan)
    calls: list[int] = []

    @app.get("/async/{n}")
    @cache(expire=60)
    async def one(n: int) -> dict[str, int]:
        calls.append(n)
        return {"n": n}

    @app.get("/plain")
    @cache(expire=60)
    def two() -> list[str]:
        calls.append(0)
        return ["x"]

    with TestClient(app) as client:
        answers = [client.get("/async/3") for _ in range(2)]
        assert [answer.json() for answer in answers] == [{"n": 3}] * 2
        assert [answer.headers["x-fastapi-cache"] for answer in answers] == ["MISS", "HIT"]
        again = client.get("/async/3", headers={"if-none-match": answers[0].headers["etag"]})
        assert again.status_code == 304
        assert [client.get("/plain").json() for _ in range(2)] == [["x"]] * 2
        client.get("/async/4")
    assert calls == [3, 0, 4]
