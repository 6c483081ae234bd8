"""The description of an application, and the pages that show it."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from fastrapi import APIRouter, Body, Depends, FastrAPI, File, Header, Query, Security
from fastrapi.openapi.utils import get_openapi
from fastrapi.security import HTTPBearer, OAuth2PasswordBearer
from fastrapi.testclient import TestClient


class Item(BaseModel):
    """A thing.\f Not for readers."""

    name: str
    size: int | None = None


def schema_of(app: FastrAPI) -> dict[str, Any]:
    return get_openapi(title="t", version="1", routes=app.routes)


def test_an_operation() -> None:
    app = FastrAPI()

    @app.post("/items/{key}", tags=["things"], status_code=201, responses={404: {"model": Item}})
    def make_item(
        key: int,
        item: Item,
        q: Annotated[list[str], Query(description="words")] = [],  # noqa: B006
        user_agent: Annotated[str | None, Header()] = None,
    ) -> Item:
        """Make one."""
        return item

    document = schema_of(app)
    assert list(document) == ["openapi", "info", "paths", "components"]
    operation = document["paths"]["/items/{key}"]["post"]
    assert operation["operationId"] == "make_item_items__key__post"
    assert (operation["summary"], operation["description"]) == ("Make Item", "Make one.")
    assert [(p["name"], p["in"], p["required"]) for p in operation["parameters"]] == [
        ("key", "path", True),
        ("q", "query", False),
        ("user-agent", "header", False),
    ]
    assert operation["parameters"][1]["description"] == "words"
    reference = {"schema": {"$ref": "#/components/schemas/Item"}}
    assert operation["requestBody"] == {"content": {"application/json": reference}, "required": True}
    assert set(operation["responses"]) == {"201", "404", "422"}
    assert operation["responses"]["404"]["description"] == "Not Found"
    assert operation["responses"]["404"]["content"]["application/json"] == reference
    schemas = document["components"]["schemas"]
    assert list(schemas) == ["HTTPValidationError", "Item", "ValidationError"]
    assert schemas["Item"]["description"] == "A thing."


def test_bodies_and_files() -> None:
    app = FastrAPI()

    @app.post("/two")
    def two(a: Item, b: Annotated[int, Body()]) -> None: ...

    @app.post("/file")
    def upload(data: Annotated[bytes, File()]) -> None: ...

    document = schema_of(app)
    schemas = document["components"]["schemas"]
    assert set(schemas["Body_two_two_post"]["properties"]) == {"a", "b"}
    assert schemas["Body_upload_file_post"]["properties"]["data"] == {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "title": "Data",
    }
    assert list(document["paths"]["/file"]["post"]["requestBody"]["content"]) == ["multipart/form-data"]


def test_security() -> None:
    app = FastrAPI()
    oauth2 = OAuth2PasswordBearer(tokenUrl="token", scopes={"read": "look"})

    def user(token: Annotated[str, Depends(oauth2)]) -> str:
        return token

    @app.get("/me")
    def me(
        user: Annotated[str, Security(user, scopes=["read"])],
        key: Annotated[Any, Depends(HTTPBearer())],
    ) -> None: ...

    document = schema_of(app)
    assert document["paths"]["/me"]["get"]["security"] == [
        {"OAuth2PasswordBearer": ["read"]},
        {"HTTPBearer": []},
    ]
    assert document["components"]["securitySchemes"]["HTTPBearer"] == {"type": "http", "scheme": "bearer"}


def test_what_is_left_out() -> None:
    app, hidden = FastrAPI(), APIRouter()

    @app.get("/seen")
    def seen(secret: Annotated[int, Query(include_in_schema=False)] = 0) -> None: ...

    @hidden.get("/hidden")
    def not_seen() -> None: ...

    app.include_router(hidden, include_in_schema=False)
    document = schema_of(app)
    assert list(document["paths"]) == ["/seen"]
    assert "parameters" not in document["paths"]["/seen"]["get"]


def test_the_document_follows_the_routes() -> None:
    app = FastrAPI(title="One", summary="s", openapi_tags=[{"name": "x"}])
    first = app.openapi()
    assert first["info"] == {"title": "One", "summary": "s", "version": "0.1.0"}
    assert first["tags"] == [{"name": "x"}]
    assert app.openapi() is first

    @app.get("/new")
    def new() -> None: ...

    assert list(app.openapi()["paths"]) == ["/new"]


@pytest.mark.filterwarnings("ignore")
def test_the_pages() -> None:
    app = FastrAPI(title="A & B", swagger_ui_parameters={"evil": "</script>"})
    client = TestClient(app)
    assert client.get("/openapi.json").json() == app.openapi()
    page = client.get("/docs").text
    assert "<title>A &amp; B - Swagger UI</title>" in page
    assert '"url": "/openapi.json"' in page
    assert "/docs/oauth2-redirect" in page
    assert page.count("</script>") == 2
    assert 'spec-url="/openapi.json"' in client.get("/redoc").text
    assert "swaggerUIRedirectOauth2" in client.get("/docs/oauth2-redirect").text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{"openapi_url": None}, {"docs_url": None, "redoc_url": None}])
def test_pages_can_be_turned_off(options: dict[str, Any]) -> None:
    client = TestClient(FastrAPI(**options))
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404
    assert client.get("/openapi.json").status_code == (404 if "openapi_url" in options else 200)
