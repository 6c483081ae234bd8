"""The counter of requests that were answered by plans."""

from typing import Any

from fastrapi import FastrAPI, Request
from fastrapi._fastrapid import plans_executed
from fastrapi.responses import JSONResponse, Response
from fastrapi.routing import APIRoute
from fastrapi.testclient import TestClient


class Wrapped(APIRoute):
    def get_route_handler(self) -> Any:
        handler = super().get_route_handler()

        async def wrapped(request: Request) -> Response:
            return await handler(request)

        return wrapped


def test_plans_count_and_nothing_else() -> None:
    app = FastrAPI()
    app.get("/plan/{number}")(lambda number: int(number))
    app.router.add_api_route("/wrapped", lambda: 1, route_class_override=Wrapped)
    app.add_route("/plain", lambda request: JSONResponse(1))
    client = TestClient(app, raise_server_exceptions=False)
    for method, path, status, plans in (
        ("GET", "/plan/1", 200, 1),
        ("GET", "/plan/x", 500, 1),
        ("POST", "/plan/1", 405, 0),
        ("GET", "/none", 404, 0),
        ("GET", "/wrapped", 200, 0),
        ("GET", "/plain", 200, 0),
    ):
        before = plans_executed()
        assert client.request(method, path).status_code == status
        assert plans_executed() - before == plans, path
