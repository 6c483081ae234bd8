"""frontend(): files where no route answers."""

from pathlib import Path

import pytest
from fastrapi import APIRouter, Depends, FastrAPI, HTTPException
from fastrapi.testclient import TestClient

PAGE = {"accept": "text/html"}


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("index")
    (tmp_path / "script.js").write_text("script")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.html").write_text("docs")
    return tmp_path


def test_routes_and_slash_redirects_come_first(dist: Path) -> None:
    app = FastrAPI()
    app.frontend("/", directory=dist)
    app.get("/script.js")(lambda: "route")
    app.get("/docs2/")(lambda: "route")
    client = TestClient(app, follow_redirects=False)
    assert client.get("/script.js").json() == "route"
    assert client.get("/docs2").headers["location"] == "http://testserver/docs2/"
    assert client.post("/script.js").status_code == 405
    assert client.get("/").text == "index"
    assert client.get("/docs2/other", headers=PAGE).text == "index"
    assert client.get("/docs2/other").status_code == 404


def test_the_longest_path_goes_first_wherever_it_was_declared(dist: Path) -> None:
    inner = APIRouter()
    inner.frontend("/docs", directory=dist / "docs")
    outer = APIRouter(prefix="/a")
    outer.include_router(inner, prefix="/b")
    app = FastrAPI()
    app.frontend("/", directory=dist)
    app.include_router(outer)
    client = TestClient(app)
    assert client.get("/a/b/docs/", headers=PAGE).text == "docs"
    assert client.get("/a/b/docsx", headers=PAGE).text == "index"
    assert client.head("/a/b/docs/index.html").headers["content-length"] == "4"
    assert client.delete("/a/b/docs/index.html").status_code == 405


def test_dependencies_stand_in_front(dist: Path) -> None:
    def closed(key: str) -> None:
        if key != "open":
            raise HTTPException(403)

    app = FastrAPI(dependencies=[Depends(closed)])
    app.frontend("/", directory=dist)
    client = TestClient(app)
    assert client.get("/script.js").status_code == 422
    assert client.get("/script.js?key=no").status_code == 403
    assert client.get("/script.js?key=open").text == "script"


def test_nothing_outside_the_directory(dist: Path) -> None:
    (dist.parent / "secret.txt").write_text("secret")
    app = FastrAPI()
    app.frontend("/", directory=dist)
    client = TestClient(app)
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/a%00b"):
        assert client.get(path).status_code == 404


def test_a_missing_directory_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="does not exist"):
        FastrAPI().frontend("/", directory=tmp_path / "none")
