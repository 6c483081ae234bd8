"""What goes in and what comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Tag = Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[\w-]+$")]


class UserIn(BaseModel):
    name: str = Field(min_length=2, max_length=40, pattern=r"^[\w.-]+$")


class User(BaseModel):
    id: int
    name: str


class NewUser(User):
    token: str


class NoteIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=100)
    text: str = Field("", max_length=10_000)
    tags: list[Tag] = Field([], max_length=10)


class NoteChange(BaseModel):
    """Every field may be left out; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field("", min_length=1, max_length=100)
    text: str = Field("", max_length=10_000)
    tags: list[Tag] = Field([], max_length=10)


class Note(BaseModel):
    id: int
    title: str
    text: str
    tags: list[str]
    created: datetime
    updated: datetime


class Filters(BaseModel):
    """The query of a list of notes."""

    model_config = ConfigDict(extra="forbid")

    q: str | None = Field(None, max_length=100, description="words in the title or the text")
    tag: str | None = None
    order: Literal["oldest", "newest"] = "oldest"
    limit: int = Field(20, ge=1, le=100)
    offset: int = Field(0, ge=0)


class Page(BaseModel):
    items: list[Note]
    total: int
    limit: int
    offset: int


class Event(BaseModel):
    note_id: int
    what: Literal["created", "changed", "deleted"]
    at: datetime
