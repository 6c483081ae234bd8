"""A record of what happened to notes, written after the answer has gone."""

from __future__ import annotations

from datetime import datetime, timezone

from db import opened


def record(user_id: int, note_id: int, what: str) -> None:
    """Background task; the request's connection is closed by now, so it takes its own."""
    with opened() as database:
        database.execute(
            "INSERT INTO events (user_id, note_id, what, at) VALUES (?, ?, ?, ?)",
            (user_id, note_id, what, datetime.now(timezone.utc).isoformat()),
        )
