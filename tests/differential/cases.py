"""How a case is written: short helpers that make requests as data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from client import Header, Request

Text = str | bytes


def raw(text: Text) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8")


def request(
    method: str,
    target: Text,
    headers: Iterable[tuple[Text, Text]] = (),
    body: Text = b"",
    chunks: Iterable[Text] | None = None,
) -> Request:
    pairs: tuple[Header, ...] = tuple((raw(name), raw(value)) for name, value in headers)
    pieces = None if chunks is None else tuple(raw(chunk) for chunk in chunks)
    return Request(raw(method), raw(target), pairs, raw(body), pieces)


def get(target: Text, *headers: tuple[Text, Text]) -> Request:
    return request("GET", target, headers)


def send(method: str, target: Text, value: Any, *headers: tuple[Text, Text]) -> Request:
    """A JSON body: bytes go as they are, anything else through json.dumps."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return request(method, target, (("Content-Type", "application/json"), *headers), body)


def post(target: Text, value: Any, *headers: tuple[Text, Text]) -> Request:
    return send("POST", target, value, *headers)


def form(target: Text, body: Text, *headers: tuple[Text, Text]) -> Request:
    return request("POST", target, (("Content-Type", "application/x-www-form-urlencoded"), *headers), body)


def part(name: Text, value: Text, filename: Text | None = None, kind: Text | None = None) -> bytes:
    """One part of a multipart body."""
    head = b'Content-Disposition: form-data; name="' + raw(name) + b'"'
    if filename is not None:
        head += b'; filename="' + raw(filename) + b'"'
    if kind is not None:
        head += b"\r\nContent-Type: " + raw(kind)
    return head + b"\r\n\r\n" + raw(value)


def multipart(target: Text, *parts: bytes, method: str = "POST") -> Request:
    body = b"".join(b"--cut\r\n" + piece + b"\r\n" for piece in parts) + b"--cut--\r\n"
    return request(method, target, (("Content-Type", "multipart/form-data; boundary=cut"),), body)


@dataclass(frozen=True)
class Case:
    """Requests sent one after the other; every answer must be equal."""

    app: str
    name: str
    requests: tuple[Request, ...]


class Group:
    """Collects the cases of one application; names are numbered within a feature."""

    def __init__(self, app: str) -> None:
        self.app = app
        self.cases: list[Case] = []
        self._counts: dict[str, int] = {}

    def add(self, feature: str, *requests: Request) -> None:
        """Each request is a case of its own."""
        for one in requests:
            self.sequence(feature, one)

    def sequence(self, feature: str, *requests: Request) -> None:
        """The requests together are one case."""
        count = self._counts[feature] = self._counts.get(feature, 0) + 1
        self.cases.append(Case(self.app, f"{self.app}-{feature}-{count:02d}", requests))
