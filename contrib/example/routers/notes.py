"""Notes: each user sees only their own."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timezone
from typing import Annotated, Any

from fastrapi import APIRouter, BackgroundTasks, Depends, HTTPException, Path, Query, Response, status
from fastrapi.responses import PlainTextResponse

from auth import CurrentUser
from db import Database
from events import record
from models import Filters, Note, NoteChange, NoteIn, Page

router = APIRouter(prefix="/notes", tags=["notes"], responses={404: {"description": "No such note"}})


def as_note(row: sqlite3.Row) -> Note:
    return Note(**{**row, "tags": json.loads(row["tags"])})


def own_note(note_id: Annotated[int, Path(ge=1)], user: CurrentUser, database: Database) -> Note:
    """Dependency: the note of the path, if it is the user's."""
    row = database.execute(
        "SELECT id, title, text, tags, created, updated FROM notes WHERE id = ? AND user_id = ?", (note_id, user.id)
    ).fetchone()
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "No such note")
    return as_note(row)


OwnNote = Annotated[Note, Depends(own_note)]


@router.post("", status_code=status.HTTP_201_CREATED)
def create(note: NoteIn, user: CurrentUser, database: Database, tasks: BackgroundTasks, response: Response) -> Note:
    now = datetime.now(timezone.utc).isoformat()
    row = database.execute(
        "INSERT INTO notes (user_id, title, text, tags, created, updated) VALUES (?, ?, ?, ?, ?, ?)"
        " RETURNING id, title, text, tags, created, updated",
        (user.id, note.title, note.text, json.dumps(note.tags), now, now),
    ).fetchone()
    tasks.add_task(record, user.id, row["id"], "created")
    response.headers["Location"] = f"/notes/{row['id']}"
    return as_note(row)


@router.get("")
def list_notes(filters: Annotated[Filters, Query()], user: CurrentUser, database: Database) -> Page:
    where = ["user_id = ?"]
    values: list[Any] = [user.id]
    if filters.q:
        where.append("(instr(lower(title), lower(?)) OR instr(lower(text), lower(?)))")
        values += [filters.q, filters.q]
    if filters.tag:
        where.append("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)")
        values.append(filters.tag)
    condition = " AND ".join(where)
    order = "ASC" if filters.order == "oldest" else "DESC"
    total = database.execute(f"SELECT count(*) FROM notes WHERE {condition}", values).fetchone()[0]
    rows = database.execute(
        f"SELECT id, title, text, tags, created, updated FROM notes WHERE {condition}"
        f" ORDER BY id {order} LIMIT ? OFFSET ?",
        [*values, filters.limit, filters.offset],
    )
    return Page(items=[as_note(row) for row in rows], total=total, limit=filters.limit, offset=filters.offset)


@router.get("/{note_id}")
async def read(note: OwnNote) -> Note:
    return note


@router.get("/{note_id}/text", response_class=PlainTextResponse)
async def read_text(note: OwnNote) -> str:
    return f"{note.title}\n\n{note.text}\n"


@router.patch("/{note_id}")
def change(change: NoteChange, note: OwnNote, user: CurrentUser, database: Database, tasks: BackgroundTasks) -> Note:
    changed = note.model_copy(update={**change.model_dump(exclude_unset=True), "updated": datetime.now(timezone.utc)})
    database.execute(
        "UPDATE notes SET title = ?, text = ?, tags = ?, updated = ? WHERE id = ?",
        (changed.title, changed.text, json.dumps(changed.tags), changed.updated.isoformat(), note.id),
    )
    tasks.add_task(record, user.id, note.id, "changed")
    return changed


@router.delete("/{note_id}", status_code=status.HTTP_204_NO_CONTENT)
def delete(note: OwnNote, user: CurrentUser, database: Database, tasks: BackgroundTasks) -> None:
    database.execute("DELETE FROM notes WHERE id = ?", (note.id,))
    tasks.add_task(record, user.id, note.id, "deleted")
