"""The database: one SQLite file, which all workers share."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from fastrapi import Depends

DEMO_USER = "demo"
DEMO_TOKEN = os.environ.get("NOTES_TOKEN", "demo-token")

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    token_hash TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    tags TEXT NOT NULL,
    created TEXT NOT NULL,
    updated TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_of_user ON notes (user_id, id);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    note_id INTEGER NOT NULL,
    what TEXT NOT NULL,
    at TEXT NOT NULL
);
"""


def path() -> Path:
    """NOTES_DB, or a file in a folder of the user's own among the temporary files."""
    if given := os.environ.get("NOTES_DB"):
        return Path(given)
    return Path(tempfile.gettempdir()) / f"fastrapi-example-{os.getuid()}" / "notes.sqlite3"


def hash_token(token: str) -> str:
    """Tokens are random and long, so a plain hash keeps them secret well enough."""
    return hashlib.sha256(token.encode()).hexdigest()


@contextmanager
def opened() -> Iterator[sqlite3.Connection]:
    """A connection whose changes are kept if the block ends well, and undone if not."""
    # A sync dependency, the endpoint and the clean-up may each run in another
    # thread of the pool, though never at the same time.
    connection = sqlite3.connect(path(), timeout=10, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        with connection:
            yield connection
    finally:
        connection.close()


def prepare() -> None:
    """Create what is missing; safe when several workers start at once."""
    folder = path().parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if "NOTES_DB" not in os.environ and folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user; set NOTES_DB")
    with path().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with opened() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            connection.execute(
                "INSERT INTO users (name, token_hash) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET token_hash = excluded.token_hash",
                (DEMO_USER, hash_token(DEMO_TOKEN)),
            )


def connect() -> Iterator[sqlite3.Connection]:
    """Dependency: the request's connection, committed before the answer is sent."""
    with opened() as connection:
        yield connection


# The scope "function" ends the transaction before the answer goes out: whoever
# reads it finds the change in the database.
Database = Annotated[sqlite3.Connection, Depends(connect, scope="function")]
