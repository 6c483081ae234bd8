"""Parameters taken from bytes in C: what Starlette's mappings give."""

import asyncio
import random
from typing import Annotated, Any

import pytest
from fastrapi import Cookie, FastrAPI, Header, Query
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request

app = FastrAPI()


@app.get("/query")
async def query(
    a: str | None = None, b: Annotated[list[str] | None, Query()] = None, ä: str | None = None
) -> Any:
    return {"a": a, "b": b, "ä": ä}


@app.get("/int")
async def integer(a: int) -> Any:
    return {"a": a}


@app.get("/int/{a}")
async def path_integer(a: int) -> Any:
    return {"a": a}


@app.get("/cookie")
async def cookie(a: str | None = Cookie(None), b: str | None = Cookie(None)) -> Any:
    return {"a": a, "b": b}


@app.get("/header")
async def header(
    x_a: Annotated[str | None, Header()] = None,
    x_b: Annotated[list[str] | None, Header()] = None,
) -> Any:
    return {"a": x_a, "b": x_b}


async def ask(
    path: str, query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None
) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
    await app({**scope, "headers": headers or []}, None, send)
    return sent[0]["status"], sent[1]["body"]


def ask_all(requests: list[Any]) -> list[Any]:
    async def main() -> list[Any]:
        return [TypeAdapter(Any).validate_json((await ask(*r))[1]) for r in requests]

    return asyncio.run(main())


def random_bytes(rng: random.Random, alphabet: bytes, longest: int) -> bytes:
    return bytes(rng.choice(alphabet) for _ in range(rng.randrange(longest)))


def test_random_queries() -> None:
    rng = random.Random(5)
    alphabets = [
        b"ab=&",
        b"ab=&+%20;",
        b"ab=&%aAbBcCeE0189+",
        b"abc=&\xc3\xa4%",
    ]
    queries = [random_bytes(rng, rng.choice(alphabets), 60) for _ in range(3000)]
    queries += [b"", b"&", b"=", b"a", b"a=%c3%a4", b"%61=1", b"%C3%A4=x", b"a=%", b"a=%4", b"a=+"]
    queries += [b"&".join(b"b=%d" % i for i in range(40)) + b"&a=%f0%9f%98%80&a=%ff"]
    for raw, got in zip(queries, ask_all([("/query", q) for q in queries]), strict=True):
        params = QueryParams(raw)
        expected = {"a": params.get("a"), "b": params.getlist("b") or None, "ä": params.get("ä")}
        assert got == expected, raw


def test_random_cookies() -> None:
    rng = random.Random(6)
    alphabets = [b"ab=; ", b'ab=;"\\ ,', b"ab=;\xe4\t\x85 "]
    headers = [
        [(b"cookie", random_bytes(rng, rng.choice(alphabets), 40)) for _ in range(rng.choice([1, 1, 2]))]
        for _ in range(2000)
    ]
    for raw, got in zip(headers, ask_all([("/cookie", b"", h) for h in headers]), strict=True):
        cookies = Request({"type": "http", "headers": raw}).cookies
        assert got == {"a": cookies.get("a"), "b": cookies.get("b")}, raw


def test_headers() -> None:
    raw = [(b"x-a", b"\xe9"), (b"x-b", b"1"), (b"x-a", b"second"), (b"x-b", b"")]
    headers = Headers(raw=raw)
    assert ask_all([("/header", b"", raw), ("/header", b"", [])]) == [
        {"a": headers.get("x-a"), "b": headers.getlist("x-b")},
        {"a": None, "b": None},
    ]


INTEGERS = [
    "0",
    "-0",
    "+1",
    "1",
    "-1",
    "007",
    "1_000",
    "1.0",
    "1.5",
    "1e3",
    " 1",
    "1 ",
    "",
    "-",
    "--1",
    "999999999999999999",
    "9999999999999999999",
    "-999999999999999999",
    "9" * 50,
    "٣",
    "0x10",
    "true",
    "NaN",
]


@pytest.mark.parametrize("text", INTEGERS)
@pytest.mark.parametrize("place", ["query", "path"])
def test_integers(text: str, place: str) -> None:
    from urllib.parse import quote

    try:
        expected: Any = TypeAdapter(int).validate_python(text)
    except ValidationError as exc:
        expected = exc.errors()[0]["type"]
    if place == "path":
        if not text:
            return
        status, body = asyncio.run(ask(f"/int/{text}"))
    else:
        status, body = asyncio.run(ask("/int", b"a=" + quote(text).encode()))
    got = TypeAdapter(Any).validate_json(body)
    if status == 200:
        assert got == {"a": expected}
    else:
        assert got["detail"][0]["type"] == expected
        assert got["detail"][0]["input"] == text


def test_many_registers() -> None:
    """More parameters, errors and marks than a run has room for in itself."""
    big = FastrAPI()
    names = [f"p{i}" for i in range(40)]
    source = ", ".join(f"{name}: int" for name in names)
    space: dict[str, Any] = {}
    exec(f"async def endpoint({source}):\n    return [{', '.join(names)}]", space)
    big.get("/")(space["endpoint"])

    async def main(query: bytes) -> Any:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "query_string": query}
        await big({**scope, "headers": []}, None, send)
        return TypeAdapter(Any).validate_json(sent[1]["body"])

    good = "&".join(f"{name}={i}" for i, name in enumerate(names)).encode()
    assert asyncio.run(main(good)) == list(range(40))
    assert len(asyncio.run(main(b""))["detail"]) == 40
