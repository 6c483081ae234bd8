"""prometheus-fastapi-instrumentator: the template of a request's path as a label."""

from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator


def test_labels() -> None:
    app = FastAPI()
    router = APIRouter()

    @router.get("/items/{item}")
    def item(item: int) -> int:
        return item

    @app.get("/gone")
    async def gone() -> None:
        raise HTTPException(410)

    app.include_router(router, prefix="/api")
    sub = FastAPI()
    sub.add_api_route("/deep", lambda: 1)
    app.mount("/sub", sub)
    registry = CollectorRegistry()
    Instrumentator(registry=registry, should_group_status_codes=False).instrument(app).expose(app)
    with TestClient(app) as client:
        for path in ("/api/items/1", "/api/items/2", "/api/items/x", "/gone", "/sub/deep", "/nowhere"):
            client.get(path)
        text = client.get("/metrics").text
        assert "/metrics" in client.get("/openapi.json").json()["paths"]
    for handler, status, count in (
        ("/api/items/{item}", 200, 2),
        ("/api/items/{item}", 422, 1),
        ("/gone", 410, 1),
        ("/sub/deep", 200, 1),
        ("none", 404, 1),
    ):
        assert f'http_requests_total{{handler="{handler}",method="GET",status="{status}"}} {count}.0' in text
