"""Where a validator may read the body's bytes, it must see what json.loads() would show it."""

import json
import math
import random
from datetime import datetime
from typing import Annotated, Any, Optional, Union

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fastrapi import params
from fastrapi._compile.direct import fast_kind, is_direct
from fastrapi._compile.fields import ModelField


class Inner(BaseModel):
    i: int
    f: float = 1.0
    s: str = "x"
    b: bool | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    i: Optional[int] = None
    d: dict[str, int] = {}
    inner: list[Inner] = []


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: Any
    n: Annotated[int, Field(ge=-3, le=99)] = 3
    t: Annotated[str, Field(min_length=2, pattern="^a")] = "abc"


class Tree(BaseModel):
    v: float
    kids: list["Tree"] = []


class Renamed(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    long_name: str = Field(alias="longName", default="q")
    m: dict[str, Any] = {}


class Checked(BaseModel):
    i: int

    @model_validator(mode="before")
    @classmethod
    def look(cls, data: Any) -> Any:
        return data


class Timed(BaseModel):
    at: datetime


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    i: int


def field_of(annotation: Any) -> ModelField:
    return ModelField(field_info=params.Body(annotation=annotation), name="x")


DIRECT = [Inner, Open, Closed, Tree, Renamed, list[int], list[float], dict[str, float]]
DIRECT += [list[Any], dict[str, Any], Optional[Inner], int, float, str, bool]
NOT_DIRECT = [Checked, Timed, Strict, Union[int, str], bytes, set[int], tuple[int, ...], Any]
NOT_DIRECT += [dict[int, int], Annotated[int, BeforeValidator(lambda v: v)], list[Timed]]


@pytest.mark.parametrize("annotation", DIRECT, ids=str)
def test_plain_schemas_are_direct(annotation: Any) -> None:
    assert is_direct(field_of(annotation)._type_adapter.core_schema)


@pytest.mark.parametrize("annotation", NOT_DIRECT, ids=str)
def test_everything_else_is_not(annotation: Any) -> None:
    assert not is_direct(field_of(annotation)._type_adapter.core_schema)


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (str, "str"),
        (int, "int"),
        (str | None, "str"),
        (Optional[int], "int"),
        (bool, "none"),
        (float, "none"),
        (int | str, "none"),
        (Annotated[str, Field(min_length=1)], "none"),
        (Annotated[int, Field(strict=True)], "none"),
        (Annotated[int, BeforeValidator(lambda v: v)], "none"),
    ],
)
def test_what_c_may_convert(annotation: Any, kind: str) -> None:
    assert fast_kind(field_of(annotation)._type_adapter.core_schema) == kind


NUMBERS = """0 -0 1 1.0 -1.5 1e400 -1e400 1E5 1e-7 9007199254740993 99999999999999999999999
1.0e0 5e-324 123456789012345678901234567890.5 -0.0 1e22 1e23 NaN Infinity -Infinity true false
null 18446744073709551616 01 1. +1 .5 4.9e-324""".split()
STRINGS = r""""" "a" "abc" "1" "1.5" "true" "\ud800" "\ud83d\ude00" "é" "\u0000" " 1 " "1e3" "yes"
"off" "NaN" "inf" "1_0" "\/" "\x" "０１" """.split()
KEYS = "i f s b d inner a n t v kids longName long_name m x".split()


def document(chance: random.Random, depth: int, keys: list[str]) -> str:
    kind = chance.random()
    if depth <= 0 or kind < 0.3:
        return chance.choice(NUMBERS if chance.random() < 0.6 else STRINGS)
    if kind < 0.45:
        items = [document(chance, depth - 1, keys) for _ in range(chance.randint(0, 3))]
        return "[" + chance.choice([",", " , ", ",\n"]).join(items) + "]"
    count = chance.randint(0, 5)
    pairs = [f'"{chance.choice(keys)}":{document(chance, depth - 1, keys)}' for _ in range(count)]
    return "{" + ",".join(pairs) + "}"


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, BaseModel):
        return (
            same(one.__dict__, other.__dict__)
            and same(one.__pydantic_extra__, other.__pydantic_extra__)
            and one.__pydantic_fields_set__ == other.__pydantic_fields_set__
        )
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("annotation", DIRECT, ids=str)
def test_direct_means_the_same(annotation: Any) -> None:
    validator = field_of(annotation)._type_adapter.validator
    chance = random.Random(str(annotation))
    fields = getattr(annotation, "model_fields", {})
    keys = [info.alias or name for name, info in fields.items()] * 8 + KEYS
    accepted = 0
    for _ in range(6000):
        text = chance.choice(["", "", " ", "\n", "\ufeff"]) + document(chance, 3, keys)
        body = text.encode(chance.choice(["utf-8"] * 12 + ["utf-16", "utf-32-le"]))
        try:
            value = validator.validate_json(body)
        except ValueError:
            # The executor then goes the long way.
            continue
        accepted += 1
        expected = validator.validate_python(json.loads(body), from_attributes=True)
        assert same(value, expected), (body, value, expected)
    assert accepted > 5
