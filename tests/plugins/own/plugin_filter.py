"""fastapi-filter: filters from the query, also in the document."""

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from fastapi_filter import FilterDepends, with_prefix
from fastapi_filter.contrib.sqlalchemy import Filter
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    age: Mapped[int]


class UserFilter(Filter):
    name__in: list[str] | None = None
    age__lt: int | None = None
    order_by: list[str] = ["age"]

    class Constants(Filter.Constants):
        model = User


def test_filters() -> None:
    engine = create_engine("sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(name="Ada", age=36), User(name="Grace", age=85), User(name="Alan", age=41)])
        session.commit()
    app = FastAPI()

    @app.get("/users")
    def users(filter: UserFilter = FilterDepends(UserFilter)) -> list[str]:
        with Session(engine) as session:
            return [user.name for user in session.scalars(filter.sort(filter.filter(select(User))))]

    @app.get("/prefixed")
    def prefixed(filter: UserFilter = Depends(with_prefix("user", UserFilter))) -> int | None:
        return filter.age__lt

    client = TestClient(app)
    assert client.get("/users").json() == ["Ada", "Alan", "Grace"]
    assert client.get("/users?name__in=Ada,Grace&order_by=-age").json() == ["Grace", "Ada"]
    assert client.get("/users?age__lt=40").json() == ["Ada"]
    assert client.get("/users?age__lt=x").json()["detail"][0]["loc"] == ["query", "age__lt"]
    assert client.get("/users?order_by=nothing").status_code == 422
    assert client.get("/prefixed?user__age__lt=7").json() == 7
    names = [p["name"] for p in app.openapi()["paths"]["/users"]["get"]["parameters"]]
    assert names == ["name__in", "age__lt", "order_by"]
