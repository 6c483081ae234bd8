"""slowapi: rate limits by a decorator, by a default, and their headers."""

from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIASGIMiddleware, SlowAPIMiddleware
from slowapi.util import get_remote_address


def application(middleware: type | None = None, **options: object) -> tuple[FastAPI, Limiter]:
    app = FastAPI()
    app.state.limiter = limiter = Limiter(key_func=get_remote_address, **options)
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    if middleware is not None:
        app.add_middleware(middleware)
    return app, limiter


def test_a_decorated_endpoint() -> None:
    app, limiter = application(headers_enabled=True)

    @app.get("/async")
    @limiter.limit("2/day")
    async def one(request: Request, response: Response) -> dict:
        return {"n": 1}

    @app.get("/plain")
    @limiter.limit("1/day")
    def two(request: Request, response: Response, n: int = 2) -> dict:
        return {"n": n}

    client = TestClient(app)
    answers = [client.get("/async") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].json() == {"error": "Rate limit exceeded: 2 per 1 day"}
    assert client.get("/plain?n=x").status_code == 422
    assert client.get("/plain?n=7").json() == {"n": 7}
    assert client.get("/plain").status_code == 429


def defaults(middleware: type) -> None:
    app, limiter = application(middleware, default_limits=["1/day"])

    @app.get("/limited")
    async def limited() -> int:
        return 1

    @app.get("/free")
    @limiter.exempt
    def free() -> int:
        return 2

    client = TestClient(app)
    assert [client.get("/limited").status_code for _ in range(2)] == [200, 429]
    assert [client.get("/free").status_code for _ in range(3)] == [200, 200, 200]


def test_default_limits_by_http_middleware() -> None:
    defaults(SlowAPIMiddleware)


def test_default_limits_by_asgi_middleware() -> None:
    defaults(SlowAPIASGIMiddleware)
