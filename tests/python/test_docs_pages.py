"""Scalar's page, and the pages' scripts and styles from a folder."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastrapi import FastrAPI
from fastrapi.openapi.docs import get_scalar_html
from fastrapi.testclient import TestClient

FILES = {
    "swagger-ui-bundle.js": ("text/javascript", b"swagger()"),
    "swagger-ui.css": ("text/css", b"a {}"),
    "redoc.standalone.js": ("text/javascript", b"redoc()"),
    "scalar.standalone.js": ("text/javascript", b"scalar()"),
    "favicon.png": ("image/png", b"\x89PNG"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, (_, content) in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "other.txt").write_text("not for them")
    return tmp_path


def fetched(page: str) -> list[str]:
    """What a browser fetches for a page."""
    return re.findall(r'(?:src|href)="([^"]*)"', page)


def test_nothing_is_added_unless_asked_for() -> None:
    app = FastrAPI()
    assert [getattr(route, "path", None) for route in app.routes] == [
        "/openapi.json",
        "/docs",
        "/docs/oauth2-redirect",
        "/redoc",
    ]
    assert TestClient(app).get("/scalar").status_code == 404


@pytest.mark.parametrize("root_path", ["", "/api"])
def test_scalar(root_path: str) -> None:
    app = FastrAPI(title="A & B", scalar_url="/scalar", openapi_url="/v1.json")
    response = TestClient(app, root_path=root_path).get("/scalar")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>A &amp; B - Scalar</title>" in response.text
    assert f'Scalar.createApiReference("#app", {{"url": "{root_path}/v1.json", "telemetry": false, "agent": {{"disabled": true}}}});' in response.text
    assert "https://cdn.jsdelivr.net/npm/@scalar/api-reference@1" in fetched(response.text)
    assert app.openapi()["paths"] == {}
    assert TestClient(FastrAPI(scalar_url="/scalar", openapi_url=None)).get("/scalar").status_code == 404


def test_scalar_escapes() -> None:
    page = bytes(
        get_scalar_html(
            openapi_url="/o</script>",
            title="</title><b>",
            scalar_js_url='/x"><b>',
            scalar_favicon_url="/f'\"<",
            scalar_parameters={"theme": "</script><b>", "telemetry": True},
        ).body
    ).decode()
    assert "<b>" not in page
    assert page.count("</script>") == 2
    assert page.count("</title>") == 1
    assert fetched(page) == ["/f&#x27;&quot;&lt;", "/x&quot;&gt;&lt;b&gt;"]
    assert '"telemetry": true' in page


@pytest.mark.parametrize("root_path", ["", "/api"])
@pytest.mark.parametrize("path", ["/docs", "/redoc", "/scalar"])
def test_pages_fetch_nothing_from_outside(folder: Path, path: str, root_path: str) -> None:
    app = FastrAPI(scalar_url="/scalar", docs_assets=folder)
    client = TestClient(app, root_path=root_path)
    page = client.get(path).text
    assert "//" not in page
    wanted = fetched(page)
    assert len(wanted) >= 2
    for url in wanted:
        assert url.startswith(f"{root_path}/docs/assets/")
        response = client.get(url.removeprefix(root_path))
        kind, content = FILES[url.rpartition("/")[2]]
        assert (response.status_code, response.content) == (200, content)
        assert response.headers["content-type"].partition(";")[0] == kind
    for name in ("withDefaultFonts", "showDeveloperTools", "hideClientButton"):
        assert (name in page) == (path == "/scalar")
    own_images = client.get(path).headers.get("content-security-policy")
    assert own_images == ("img-src 'self' data:" if path == "/redoc" else None)
    assert "content-security-policy" not in TestClient(FastrAPI()).get("/redoc").headers


def test_only_these_files_are_served(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "favicon.png").write_bytes(b"")
    app = FastrAPI(redoc_url=None, docs_assets=str(folder))
    client = TestClient(app)
    assert client.get("/docs/assets/favicon.png").status_code == 200
    for name in ("other.txt", "redoc.standalone.js", "sub/favicon.png", "", "../other.txt", "%2e%2e/x"):
        assert client.get(f"/docs/assets/{name}").status_code == 404
    assert client.get("/docs/assets").status_code == 404
    assert client.head("/docs/assets/favicon.png").headers["content-length"] == "4"
    etag = client.get("/docs/assets/favicon.png").headers["etag"]
    assert client.get("/docs/assets/favicon.png", headers={"if-none-match": etag}).status_code == 304
    assert client.post("/docs/assets/favicon.png").status_code == 405
    assert app.openapi()["paths"] == {}


def test_files_may_be_links(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    icon = tmp_path_factory.mktemp("icons") / "icon.png"
    (folder / "favicon.png").rename(icon)
    (folder / "favicon.png").symlink_to(icon)
    assert TestClient(FastrAPI(docs_assets=folder)).get("/docs/assets/favicon.png").content == b"\x89PNG"


def test_in_an_application_that_is_mounted(folder: Path) -> None:
    app = FastrAPI()
    app.mount("/inner", FastrAPI(docs_assets=folder, redoc_url=None))
    client = TestClient(app)
    for url in fetched(client.get("/inner/docs").text):
        assert url.startswith("/inner/docs/assets/")
        assert client.get(url).status_code == 200


def test_they_lie_below_the_first_page(folder: Path) -> None:
    client = TestClient(FastrAPI(docs_url=None, redoc_url="/r/", docs_assets=folder))
    assert "/r/assets/redoc.standalone.js" in fetched(client.get("/r/").text)
    assert client.get("/r/assets/redoc.standalone.js").status_code == 200
    assert "/assets/swagger-ui.css" in fetched(TestClient(FastrAPI(docs_url="/", docs_assets=folder)).get("/").text)


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({}, "redoc.standalone.js, swagger-ui.css"),
        ({"docs_url": None}, "redoc.standalone.js"),
        ({"redoc_url": None}, "swagger-ui.css"),
        ({"docs_url": None, "redoc_url": None}, None),
        ({"openapi_url": None}, None),
    ],
)
def test_a_missing_file_is_an_error_at_once(folder: Path, options: dict[str, Any], missing: str | None) -> None:
    (folder / "swagger-ui.css").unlink()
    (folder / "redoc.standalone.js").unlink()
    if missing is None:
        FastrAPI(docs_assets=folder, **options)
        return
    with pytest.raises(FileNotFoundError, match=f"docs_assets: '{re.escape(str(folder))}' has no {missing}; .* want ") as found:
        FastrAPI(docs_assets=folder, **options)
    assert "favicon.png" in str(found.value)
