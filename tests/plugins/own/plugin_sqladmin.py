"""sqladmin: its pages, forms and log-in beside an application's routes."""

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from sqladmin import Admin, ModelView
from sqladmin.authentication import AuthenticationBackend
from sqlalchemy import String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import StaticPool


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class UserAdmin(ModelView, model=User):
    column_list = [User.id, User.name]


class Password(AuthenticationBackend):
    async def login(self, request: Request) -> bool:
        form = await request.form()
        request.session.update({"user": form["username"]})
        return form["password"] == "right"

    async def logout(self, request: Request) -> bool:
        request.session.clear()
        return True

    async def authenticate(self, request: Request) -> bool:
        return "user" in request.session


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def root() -> str:
        return "the application"

    return app


@pytest.fixture
def engine():
    engine = create_engine("sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool)
    Base.metadata.create_all(engine)
    return engine


def test_create_list_edit_delete(app: FastAPI, engine) -> None:
    Admin(app, engine).add_view(UserAdmin)
    with TestClient(app) as client:
        assert client.get("/").json() == "the application"
        assert client.get("/admin/user/list").status_code == 200
        answer = client.post("/admin/user/create", data={"name": "Ada", "save": "Save"}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (302, "http://testserver/admin/user/list")
        assert "Ada" in client.get("/admin/user/list").text
        client.post("/admin/user/edit/1", data={"name": "Grace", "save": "Save"})
        assert "Grace" in client.get("/admin/user/details/1").text
        assert client.get("/admin/user/export/csv").text.splitlines()[1] == "1,Grace"
        assert client.delete("/admin/user/delete?pks=1").status_code == 200
        assert client.get("/admin/user/details/1").status_code == 404
        assert client.get("/admin/statics/css/main.css").status_code == 200
    assert "/admin" not in str(app.openapi()["paths"])


def test_log_in(app: FastAPI, engine) -> None:
    Admin(app, engine, authentication_backend=Password(secret_key="secret")).add_view(UserAdmin)
    with TestClient(app) as client:
        assert client.get("/admin/", follow_redirects=False).status_code == 302
        wrong = {"username": "a", "password": "wrong"}
        assert client.post("/admin/login", data=wrong).status_code == 400
        client.post("/admin/login", data={**wrong, "password": "right"})
        assert client.get("/admin/user/list").status_code == 200
        client.get("/admin/logout")
        assert client.get("/admin/", follow_redirects=False).status_code == 302
