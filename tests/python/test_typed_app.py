"""The application that type checkers are shown runs."""

from fastrapi.testclient import TestClient
from typed_app import app, check_types


def test_it_runs() -> None:
    check_types()
    with TestClient(app) as client:
        found = client.get("/p/r/items/2", headers={"authorization": "Bearer me"})
        assert (found.json(), found.headers["x-tag"]) == ([{"name": "me"}] * 2, "/p/r/items/2")
        assert client.get("/p/r/items/2", headers={"authorization": "Bearer no"}).json() == {"detail": {"scopes": ["read"]}}
        sent = client.post(
            "/up", data={"n": "n", "username": "u", "password": "p"}, files={"f": b"12", "b": b"3"}
        )
        assert sent.json() == {"size": 2, "type": "application/octet-stream", "b": 1, "n": "n", "user": "u"}
        assert client.put("/item", json={"item": {"name": "x"}}).json() == {"name": "x", "price": 1.0}
        assert client.put("/item", json={}).json() == {"errors": 1, "path": "/item"}
        assert [client.get("/both").json(), client.post("/both").json()] == ["GET", "POST"]
        assert client.get("/own").text == "x"
        assert client.get("/nowhere").text == "Not Found"
        with client.websocket_connect("/ws/7") as websocket:
            websocket.send_text("t")
            assert websocket.receive_json() == [7, 3, "t"]
        assert "/own" in client.get("/openapi.json").json()["paths"]
