"""Forms and files."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import BaseModel, Field

from fastrapi import FastrAPI, File, Form, Query, Request, UploadFile

app = FastrAPI()


class Size(str, Enum):
    s = "s"
    l = "l"  # noqa: E741


@app.post("/login")
def login(username: Annotated[str, Form()], password: Annotated[str, Form(min_length=3)]):
    return {"username": username, "password": password}


@app.post("/login-default-style")
async def login_default_style(username: str = Form(), n: int = Form(1, ge=0)):
    return {"username": username, "n": n}


@app.post("/optional")
def optional(a: Annotated[str | None, Form()] = None, n: Annotated[int | None, Form()] = None):
    return {"a": a, "n": n}


@app.post("/list")
def list_form(items: Annotated[list[int], Form()]):
    return {"items": items}


@app.post("/list-optional")
def list_optional(items: Annotated[list[str], Form()] = []):  # noqa: B006
    return {"items": items}


@app.post("/scalars")
def scalars(
    i: Annotated[int, Form()],
    f: Annotated[float, Form()],
    b: Annotated[bool, Form()],
    s: Annotated[Size, Form()] = Size.s,
    t: Annotated[str, Form(alias="the-t")] = "t",
):
    return {"i": i, "f": repr(f), "b": b, "s": s, "t": t}


class Data(BaseModel):
    name: str = Field(max_length=5)
    age: int = 0
    tags: list[str] = []


@app.post("/model")
def model(data: Annotated[Data, Form()]):
    return data


class Strict(BaseModel):
    model_config = {"extra": "forbid"}
    name: str


@app.post("/model-forbid")
def model_forbid(data: Annotated[Strict, Form()]):
    return data


@app.post("/query-and-form")
def query_and_form(q: Annotated[int, Query()], a: Annotated[str, Form()]):
    return {"q": q, "a": a}


@app.post("/file")
def file(content: Annotated[bytes, File()]):
    return {"size": len(content), "head": repr(content[:20])}


@app.post("/file-optional")
def file_optional(content: Annotated[bytes | None, File()] = None):
    return {"size": None if content is None else len(content)}


@app.post("/files")
def files(content: Annotated[list[bytes], File()]):
    return {"sizes": [len(one) for one in content]}


@app.post("/upload")
async def upload(file: UploadFile):
    data = await file.read()
    return {
        "filename": file.filename,
        "type": file.content_type,
        "size": file.size,
        "headers": sorted(file.headers.items()),
        "data": repr(data[:20]),
        "length": len(data),
    }


@app.post("/upload-sync")
def upload_sync(file: Annotated[UploadFile, File(description="A file")]):
    return {"filename": file.filename, "length": len(file.file.read())}


@app.post("/upload-optional")
def upload_optional(file: UploadFile | None = None):
    return {"filename": file.filename if file else None}


@app.post("/uploads")
async def uploads(files: list[UploadFile]):
    return [[file.filename, len(await file.read())] for file in files]


@app.post("/mixed")
async def mixed(
    file: Annotated[bytes, File()],
    fileb: Annotated[UploadFile, File()],
    token: Annotated[str, Form()],
    n: int = Form(0),
):
    return {"size": len(file), "type": fileb.content_type, "token": token, "n": n}


@app.post("/request-form")
async def request_form(request: Request):
    async with request.form() as data:
        return [[key, value if isinstance(value, str) else value.filename] for key, value in data.multi_items()]
