"""The encoder in C gives what json.dumps and jsonable_encoder give, or leaves it to them."""

import enum
import json
import math
import random
from collections import OrderedDict
from typing import Any

import pytest
from fastrapi import _fastrapid
from fastrapi.encoders import jsonable_encoder

encode = _fastrapid.encode


def expected(value: Any) -> bytes:
    return json.dumps(
        jsonable_encoder(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


class Text(str):
    pass


class Number(int):
    pass


class Color(str, enum.Enum):
    red = "red"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        0.0,
        -0.0,
        1e-7,
        1e16,
        1e22,
        0.1,
        123456789.125,
        5e-324,
        1.7976931348623157e308,
        "",
        "plain",
        "\"\\/\b\f\n\r\t\x00\x1f\x7f",
        "é\u2028\u2029\ufeff😀",
        [],
        {},
        (),
        [1, [2, (3,)], {"a": [None]}],
        {"_sa_instance_state": 1, "_s": 2, "_sa": 3, "sa": 4},
        {"": 1, "é": 2, '"': 3},
        ["x" * 5000, "\n" * 5000],
        [list(range(2000))],
    ],
)
def test_plain(value: Any) -> None:
    assert encode(value) == expected(value)


deep: Any = []
for _ in range(200):
    deep = [deep]


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**63,
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        {None: 1},
        Text("x"),
        Number(3),
        Color.red,
        {Color.red: 1},
        {Text("_sa"): 1},
        OrderedDict(a=1),
        {1, 2},
        b"bytes",
        object(),
        [1, [2, object()]],
        deep,
    ],
)
def test_left_to_python(value: Any) -> None:
    assert encode(value) is None


def test_circular() -> None:
    value: list[Any] = []
    value.append(value)
    assert encode(value) is None


def random_value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(8 if depth < 5 else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.randint(-(10 ** rng.randrange(1, 19)), 10 ** rng.randrange(1, 19))
    if kind == 2:
        return rng.choice([1, -1]) * rng.random() * 10.0 ** rng.randint(-320, 300)
    if kind < 6:
        limit = rng.choice([0x7F, 0xFF, 0xD7FF])
        return "".join(chr(rng.randint(0, limit)) for _ in range(rng.randrange(12)))
    items = [random_value(rng, depth + 1) for _ in range(rng.randrange(5))]
    if kind == 6:
        return items if rng.random() < 0.7 else tuple(items)
    return {f"k{i}{chr(rng.randint(32, 0x2FF))}": item for i, item in enumerate(items)}


def test_random_values() -> None:
    rng = random.Random(11)
    for _ in range(3000):
        value = random_value(rng)
        assert encode(value) == expected(value), value
