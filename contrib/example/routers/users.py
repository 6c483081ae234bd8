"""Users: make one, look at oneself."""

from __future__ import annotations

import secrets
import sqlite3

from fastrapi import APIRouter, HTTPException, status

from auth import CurrentUser
from db import Database, hash_token
from models import Event, NewUser, User, UserIn

router = APIRouter(prefix="/users", tags=["users"])


@router.post("", status_code=status.HTTP_201_CREATED)
def create(user: UserIn, database: Database) -> NewUser:
    token = secrets.token_urlsafe(24)
    try:
        cursor = database.execute(
            "INSERT INTO users (name, token_hash) VALUES (?, ?) RETURNING id", (user.name, hash_token(token))
        )
        user_id = cursor.fetchone()["id"]
    except sqlite3.IntegrityError:
        raise HTTPException(status.HTTP_409_CONFLICT, f"The name {user.name} is taken") from None
    return NewUser(id=user_id, name=user.name, token=token)


@router.get("/me")
async def me(user: CurrentUser) -> User:
    return user


@router.get("/me/events")
def events(user: CurrentUser, database: Database, limit: int = 20) -> list[Event]:
    rows = database.execute(
        "SELECT note_id, what, at FROM events WHERE user_id = ? ORDER BY id DESC LIMIT ?", (user.id, limit)
    )
    return [Event(**row) for row in rows]
