"""The example application, as contrib/demo serves it; and unchanged on FastAPI."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import free_port, wait

TOP = Path(__file__).resolve().parents[2]
EXAMPLE = TOP / "contrib/example"
FASTRAPID = os.environ.get("FASTRAPID", str(TOP / "_build/venv/bin/fastrapid"))
PEER = os.environ.get("FASTRAPI_PEER_PYTHON", str(TOP / "_build/peer/bin/python"))
DEMO = {"Authorization": "Bearer demo-token"}


def command(kind: str, port: int) -> list[str]:
    if kind == "fastrapid":
        return [FASTRAPID, "-c", str(EXAMPLE / "fastrapi.conf"), "--listen", f"127.0.0.1:{port}"]
    return [PEER, str(TOP / "tests/differential/peer/serve.py"), str(EXAMPLE), "main:app", str(port)]


@pytest.fixture(scope="module", params=["fastrapid", "fastapi"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the example on a new database, in a folder that start-up has to make."""
    folder = tmp_path_factory.mktemp(request.param)
    env = dict(os.environ, NOTES_DB=str(folder / "state/notes.sqlite3"), PYTHONDONTWRITEBYTECODE="1")
    env.pop("NOTES_TOKEN", None)
    port = free_port()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command(request.param, port), stdout=log, stderr=log, env=env, cwd=folder)
        try:
            # Both servers close what has been idle for 5 s: the client is sure to be the first.
            limits = httpx.Limits(keepalive_expiry=1)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits) as client:

                def answers() -> bool:
                    try:
                        return client.get("/health").status_code == 200
                    except httpx.TransportError:
                        assert server.poll() is None, (folder / "log").read_text()
                        return False

                wait(answers, lambda: "it did not start:\n" + (folder / "log").read_text(), 120)
                yield client
        finally:
            server.terminate()
            try:
                code = server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
                raise
    assert code in (0, -15 if request.param == "fastapi" else 0)
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def user(client: httpx.Client) -> dict[str, str]:
    """The headers of a user of the test's own."""
    name = f"user{time.monotonic_ns()}"
    answer = client.post("/users", json={"name": name})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def create(client: httpx.Client, user: dict[str, str], **note: Any) -> dict[str, Any]:
    answer = client.post("/notes", json=note, headers=user)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/notes/{answer.json()['id']}"
    return dict(answer.json())


def test_summary_and_health(client: httpx.Client) -> None:
    summary = client.get("/").json()
    assert summary["name"] == "Notes"
    assert summary["users"] >= 1
    assert client.get("/health").json()["ok"] is True


def test_the_tour_of_the_readme(client: httpx.Client) -> None:
    before = client.get("/").json()["notes"]
    note = create(client, DEMO, title="Milk", tags=["shop"])
    assert client.get("/").json()["notes"] == before + 1
    listed = client.get("/notes", headers=DEMO).json()
    assert note in listed["items"]
    bad = client.post("/notes", json={"title": "", "tags": ["a b"], "more": 1}, headers=DEMO)
    assert bad.status_code == 422
    assert [error["loc"] for error in bad.json()["detail"]] == [["body", "title"], ["body", "tags", 0], ["body", "more"]]
    gone = client.delete(f"/notes/{note['id']}", headers=DEMO)
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get(f"/notes/{note['id']}", headers=DEMO).status_code == 404
    assert client.get("/").json()["notes"] == before


def test_a_token_is_needed(client: httpx.Client, user: dict[str, str]) -> None:
    assert client.get("/notes").status_code == 401
    unknown = client.get("/notes", headers={"Authorization": "Bearer nobody"})
    assert unknown.status_code == 401
    assert unknown.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert client.get("/users/me", headers=user).json()["name"].startswith("user")


def test_a_name_is_taken_once(client: httpx.Client) -> None:
    answer = client.post("/users", json={"name": "demo"})
    assert answer.status_code == 409
    assert answer.json() == {"detail": "The name demo is taken"}
    # The failed insert was rolled back, and its connection closed: the next one works.
    assert client.post("/users", json={"name": f"other{time.monotonic_ns()}"}).status_code == 201


def test_filters_and_pages(client: httpx.Client, user: dict[str, str]) -> None:
    made = [create(client, user, title=f"Note {n}", text="Even" if n % 2 == 0 else "odd", tags=[f"t{n % 3}"]) for n in range(7)]
    assert client.get("/notes", headers=user).json() == {"items": made, "total": 7, "limit": 20, "offset": 0}
    page = client.get("/notes?limit=2&offset=4", headers=user).json()
    assert (page["items"], page["total"]) == (made[4:6], 7)
    newest = client.get("/notes?order=newest&limit=1", headers=user).json()
    assert newest["items"] == made[6:]
    assert client.get("/notes?q=EVEN", headers=user).json()["total"] == 4
    assert client.get("/notes?tag=t1", headers=user).json()["total"] == 2
    assert client.get("/notes?tag=t0&q=odd", headers=user).json()["total"] == 1
    for query in ("limit=0", "limit=101", "offset=-1", "order=best", "page=2"):
        assert client.get(f"/notes?{query}", headers=user).status_code == 422, query


def test_notes_are_changed_in_part(client: httpx.Client, user: dict[str, str]) -> None:
    note = create(client, user, title="Before", text="Body é", tags=["a"])
    changed = client.patch(f"/notes/{note['id']}", json={"title": "After"}, headers=user).json()
    assert changed["title"] == "After"
    assert changed["text"] == "Body é"
    assert changed["updated"] > note["updated"]
    assert client.get(f"/notes/{note['id']}", headers=user).json() == changed
    text = client.get(f"/notes/{note['id']}/text", headers=user)
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text == "After\n\nBody é\n"


def test_notes_of_others_are_not_there(client: httpx.Client, user: dict[str, str]) -> None:
    note = create(client, user, title="Mine")
    for method in ("GET", "PATCH", "DELETE"):
        answer = client.request(method, f"/notes/{note['id']}", headers=DEMO, json={} if method == "PATCH" else None)
        assert answer.status_code == 404, method
    assert client.get(f"/notes/{note['id']}", headers=user).json() == note


def test_the_background_task_records_what_happened(client: httpx.Client, user: dict[str, str]) -> None:
    note = create(client, user, title="Recorded")
    client.delete(f"/notes/{note['id']}", headers=user)

    def events() -> list[tuple[int, str]]:
        found = client.get("/users/me/events", headers=user).json()
        return sorted((event["note_id"], event["what"]) for event in found)

    wait(lambda: len(events()) >= 2, lambda: f"two events: {events()}")
    assert events() == [(note["id"], "created"), (note["id"], "deleted")]
