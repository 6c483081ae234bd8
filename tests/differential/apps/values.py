"""What the handlers of answers.py return: the models, and one value of every kind that the encoder knows or refuses."""

from __future__ import annotations

import functools
import math
import re
from collections import OrderedDict, defaultdict, deque, namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from pydantic import BaseModel, SecretStr


class Kind(str, Enum):
    a = "a"


class Number(IntEnum):
    one = 1


class Item(BaseModel):
    name: str
    price: float = 1.5
    tax: float | None = None
    tags: list[str] = []


class User(BaseModel):
    username: str
    full_name: str | None = None


class UserIn(User):
    password: str


class Text(str):
    def __str__(self) -> str:
        return "not the text"


class Whole(int):
    def __repr__(self) -> str:
        return "not the number"

    __str__ = __repr__


class Real(float):
    def __repr__(self) -> str:
        return "not the number"

    __str__ = __repr__


class Items(list):
    pass


class Mapping(dict):
    pass


class Flags(IntFlag):
    a = 1
    b = 2


class Plainly(Enum):
    x = (1, "y")


VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "int": 1,
    "big": 2**70,
    "float": 0.1,
    "tiny": 1e-7,
    "huge": 1e22,
    "whole": 1e16,
    "minus-zero": -0.0,
    "max": 1.7976931348623157e308,
    "denormal": 5e-324,
    "nan": math.nan,
    "inf": math.inf,
    "nested-nan": {"a": [math.nan, {"b": -math.inf}]},
    "str": "é€😀\u2028\u0000\x7f\"\\/<>&'\t",
    "empty-str": "",
    "surrogate": "a\ud800b",
    "surrogate-key": {"\udc00": 1},
    "bytes": b"abc",
    "bytes-bad": b"\xff\xfe",
    "list": [1, "a", None, [2.0]],
    "tuple": (1, (2, 3)),
    "set": {1},
    "frozenset": frozenset(["x"]),
    "deque": deque([1, 2]),
    "range": range(3),
    "dict": {"b": 1, "a": {"c": []}},
    "empty-dict": {},
    "none-key": {None: 1, "a": None},
    "int-key": {1: "one", 2: {3: 4}},
    "float-key": {1.5: 1, 1e-7: 2, 1e22: 3},
    "nan-key": {math.nan: 1},
    "bool-key": {True: 1, False: 0},
    "same-key": {1: "int", "1": "str"},
    "mixed-keys": {"a": 1, 2: 2, None: 3, 1.5: 4, True: 5},
    "tuple-key": {(1, 2): 3},
    "enum-key": {Kind.a: 1, Number.one: 2},
    "uuid-key": {UUID(int=1): 1},
    "date-key": {date(2024, 1, 2): 1},
    "sa-key": {"_sa_instance_state": 1, "a": 2},
    "enum": Kind.a,
    "int-enum": Number.one,
    "datetime": datetime(2024, 1, 2, 3, 4, 5, 678900),
    "datetime-utc": datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    "datetime-offset": datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=-5, minutes=30))),
    "date": date(2024, 2, 29),
    "time": time(1, 2, 3, 4),
    "timedelta": timedelta(days=1, milliseconds=5),
    "decimal": Decimal("1.10"),
    "decimal-int": Decimal("10"),
    "decimal-exp": Decimal("1e-7"),
    "decimal-big": Decimal("1E+3"),
    "decimal-nan": Decimal("NaN"),
    "uuid": UUID("12345678-1234-5678-1234-567812345678"),
    "ip": IPv4Address("127.0.0.1"),
    "path": PurePosixPath("/a/b"),
    "secret": SecretStr("hidden"),
    "ordered": OrderedDict(z=1, a=2),
    "defaultdict": defaultdict(int, a=1),
    "namedtuple": namedtuple("Pair", "x y")(1, 2),
    "model": Item(name="m"),
    "models": [Item(name="m", tax=1), User(username="u")],
    "model-in-dict": {"item": Item(name="m", price=1e-7)},
    "huge-int": 10**5000,
    "negative-big": -(2**100),
    "floats": [1e15, 1e16, 1e17, 1e-4, 1e-5, 0.1 + 0.2, 1 / 3, 123456789012345680.0, 2.0**53, 100.0, 1e100, -1e-300],
    "controls": "".join(map(chr, range(0x20))) + "\x7f\x80\x9f\u2028\u2029\ufeff\ufffe",
    "joined-surrogates": "\ud83d\ude00",
    "nan-in-tuple": (1, (math.nan,)),
    "subclasses": [Text("t"), Whole(3), Real(1e-7), Items([1]), Mapping({"a": Text("b")})],
    "subclass-keys": {Text("t"): 1, Whole(2): 2, Real(2.5): 3},
    "flags": [Flags.a, Flags.a | Flags.b],
    "plain-enum": Plainly.x,
    "deep": functools.reduce(lambda inner, _: [inner], range(200), []),
    "deep-dict": functools.reduce(lambda inner, _: {"a": inner}, range(200), {}),
    "too-deep": functools.reduce(lambda inner, _: [inner], range(3000), []),
    "empties": [[], {}, "", (), [[]], {"a": {}}],
    "many": {f"key {n}": [n, n / 3, None, str(n)] for n in range(500)},
    "pattern": re.compile("a+"),
    "color-text": "\U0001f600 \u00e9 e\u0301",
    "object": object(),
    "function": len,
    "complex": 1j,
    "exception": ValueError("x"),
}
