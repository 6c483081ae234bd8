"""asgi-correlation-id: the request's id in handlers, threads, background tasks and answers."""

import uuid

from asgi_correlation_id import CorrelationIdMiddleware, correlation_id
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient


def test_id_everywhere() -> None:
    app = FastAPI()
    app.add_middleware(CorrelationIdMiddleware)
    late: list[str | None] = []

    @app.get("/async")
    async def one(tasks: BackgroundTasks) -> str | None:
        tasks.add_task(lambda: late.append(correlation_id.get()))
        return correlation_id.get()

    @app.get("/thread")
    def two() -> str | None:
        return correlation_id.get()

    client = TestClient(app)
    for path in ("/async", "/thread"):
        own = uuid.uuid4().hex
        answer = client.get(path, headers={"X-Request-ID": own})
        assert answer.json() == own == answer.headers["X-Request-ID"]
        made = client.get(path)
        assert made.json() == made.headers["X-Request-ID"] != own
    assert len(late) == 2 and all(late)
