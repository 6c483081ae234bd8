"""Telemetry: spans around a request and its parts; nothing where it is not wanted."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastrapi import APIRouter, BackgroundTasks, FastrAPI
from fastrapi.telemetry import get_telemetry_data
from fastrapi.testclient import TestClient
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from starlette.middleware import Middleware


class Span(NonRecordingSpan):
    def __init__(self, name: str, number: int) -> None:
        super().__init__(SpanContext(1, number, False, TraceFlags(1)))
        self.name = name
        self.attributes: dict[str, Any] = {}
        self.ended = False

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Any) -> None:
        self.attributes.update(attributes)

    def update_name(self, name: str) -> None:
        self.name = name

    def end(self, end_time: int | None = None) -> None:
        self.ended = True


class Provider(trace.TracerProvider, trace.Tracer):
    def __init__(self) -> None:
        self.spans: list[Span] = []

    def get_tracer(self, *args: Any, **options: Any) -> trace.Tracer:
        return self

    def start_span(self, name: str, *args: Any, attributes: Any = None, **options: Any) -> Span:
        span = Span(name, len(self.spans) + 1)
        span.attributes.update(attributes or {})
        self.spans.append(span)
        return span

    def start_as_current_span(self, name: str, *args: Any, **options: Any) -> Any:
        span = self.start_span(name, attributes=options.get("attributes"))
        return trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False)


@pytest.fixture
def provider() -> Iterator[Provider]:
    yield Provider()


def test_a_request_and_its_parts(provider: Provider) -> None:
    seen = []
    router = APIRouter()

    @router.get("/items/{item_id}")
    def item(item_id: int, tasks: BackgroundTasks) -> int:
        data = get_telemetry_data()
        assert data is not None and data.values is not None
        seen.append(data.values["item_id"])
        tasks.add_task(seen.append, "later")
        return item_id

    app = FastrAPI(telemetry={"tracer_provider": provider})
    app.include_router(router, prefix="/api")
    client = TestClient(app)
    assert client.get("/api/items/3?sig=secret&page=1").json() == 3
    assert seen == [3, "later"]
    names = ["dependencies", "endpoint", "serialization", "background_task"]
    assert [span.name for span in provider.spans] == ["GET /api/items/{item_id}", *[f"fastapi.{n}" for n in names]]
    assert all(span.ended for span in provider.spans)
    attributes = provider.spans[0].attributes
    assert attributes["http.route"] == "/api/items/{item_id}"
    assert attributes["http.response.status_code"] == 200
    assert attributes["url.query"] == "sig=REDACTED&page=1"
    assert get_telemetry_data() is None


@pytest.mark.parametrize(
    ("method", "path", "name", "status"),
    [
        ("GET", "/none", "GET", 404),
        ("PUT", "/mounted/x", "PUT /mounted/{name}", 405),
        ("ODD", "/none", "HTTP", 404),
        ("GET", "/mounted/x", "GET /mounted/{name}", 200),
        ("GET", "/mounted/x/", "GET /mounted/{name}", 307),
    ],
)
def test_routes_are_named_by_their_template(
    provider: Provider, method: str, path: str, name: str, status: int
) -> None:
    child = FastrAPI()
    child.get("/{name}")(lambda name: name)
    app = FastrAPI(telemetry={"tracer_provider": provider, "operation_spans": False})
    app.mount("/mounted", child)
    client = TestClient(app, follow_redirects=False)
    assert client.request(method, path).status_code == status
    assert [span.name for span in provider.spans] == [name]


def test_without_telemetry_plans_run() -> None:
    app = FastrAPI()
    app.get("/")(lambda: 1)
    assert TestClient(app).get("/").json() == 1
    assert not app._traced
    assert [route["kind"] for route in app._compiled()[0]["routes"] if route["path"] == "/"] == ["plan"]


def test_a_provider_that_is_set_while_the_application_serves(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastrAPI()
    app.get("/")(lambda: 1)
    client = TestClient(app)
    assert client.get("/").json() == 1
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    assert client.get("/").json() == 1
    assert [span.name for span in provider.spans][0] == "GET /"


def test_instrumentation_sees_the_framework_s_middleware(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    init = Middleware.__init__

    def watched(self: Any, cls: Any, *args: Any, **kwargs: Any) -> None:
        seen.append(cls.__name__)
        init(self, cls, *args, **kwargs)

    monkeypatch.setattr(Middleware, "__init__", watched)
    app = FastrAPI()
    app.build_middleware_stack()
    assert seen[0] == "ServerErrorMiddleware"
    assert seen[-1] == "ExceptionMiddleware"
