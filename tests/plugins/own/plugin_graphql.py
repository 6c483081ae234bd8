"""strawberry-graphql: a router with queries, dependencies, background tasks and subscriptions."""

from collections.abc import AsyncIterator

import strawberry
from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection
from fastapi.testclient import TestClient
from strawberry.fastapi import GraphQLRouter


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, info: strawberry.Info, name: str = "world") -> str:
        info.context["background_tasks"].add_task(info.context["done"].append, name)
        return f"hello {name}, {info.context['who']}"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncIterator[int]:
        for i in range(to):
            yield i


def test_queries_and_subscriptions() -> None:
    done: list[str] = []

    def who(connection: HTTPConnection) -> str:
        return connection.headers.get("x-who", "nobody")

    async def context(who: str = Depends(who)) -> dict:
        return {"who": who, "done": done}

    app = FastAPI()
    schema = strawberry.Schema(Query, subscription=Subscription)
    app.include_router(GraphQLRouter(schema, context_getter=context), prefix="/graphql")
    client = TestClient(app)
    answer = client.post("/graphql", json={"query": '{ hello(name: "Ada") }'}, headers={"x-who": "me"})
    assert answer.json() == {"data": {"hello": "hello Ada, me"}}
    assert done == ["Ada"]
    assert "errors" in client.post("/graphql", json={"query": "{ nothing }"}).json()
    assert client.get("/graphql", headers={"accept": "text/html"}).status_code == 200
    with client.websocket_connect("/graphql", ["graphql-transport-ws"]) as ws:
        ws.send_json({"type": "connection_init"})
        assert ws.receive_json() == {"type": "connection_ack"}
        ws.send_json({"id": "1", "type": "subscribe", "payload": {"query": "subscription { count(to: 2) }"}})
        got = [ws.receive_json() for _ in range(3)]
    assert [message["type"] for message in got] == ["next", "next", "complete"]
    assert got[1]["payload"]["data"] == {"count": 1}
