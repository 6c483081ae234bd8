"""Who is asking: a bearer token stands for a user."""

from __future__ import annotations

from typing import Annotated

from fastrapi import Depends, HTTPException
from fastrapi.security import HTTPAuthorizationCredentials, HTTPBearer

from db import Database, hash_token
from models import User

bearer = HTTPBearer(description="The token that POST /users returned")


def current_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)], database: Database) -> User:
    row = database.execute(
        "SELECT id, name FROM users WHERE token_hash = ?", (hash_token(credentials.credentials),)
    ).fetchone()
    if row is None:
        raise HTTPException(401, "Unknown token", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return User(**row)


CurrentUser = Annotated[User, Depends(current_user)]
