"""Users and notes: a small application, served with `fastrapid -c fastrapi.conf`.

    curl localhost:8000/
    curl localhost:8000/notes -H 'Authorization: Bearer demo-token'
    curl localhost:8000/notes -H 'Authorization: Bearer demo-token' --json '{"title": "Milk", "tags": ["shop"]}'
    curl -X DELETE localhost:8000/notes/1 -H 'Authorization: Bearer demo-token'
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Any

from fastrapi import FastrAPI, Request
from pydantic import BaseModel

import db
from db import Database
from routers import notes, users


@asynccontextmanager
async def lifespan(app: FastrAPI) -> AsyncIterator[None]:
    db.prepare()
    app.state.started = datetime.now(timezone.utc)
    yield


app = FastrAPI(title="Notes", lifespan=lifespan)
app.include_router(users.router)
app.include_router(notes.router)


class Summary(BaseModel):
    name: str
    users: int
    notes: int


@app.get("/")
def summary(database: Database) -> Summary:
    counts = database.execute("SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM notes) AS notes")
    return Summary(name=app.title, **counts.fetchone())


@app.get("/health")
async def health(request: Request) -> dict[str, Any]:
    return {"ok": True, "started": request.app.state.started}
