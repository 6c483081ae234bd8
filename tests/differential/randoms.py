"""Random values of the scalar types: mostly near to what is valid, from a fixed seed."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote, quote_plus

from cases import form, get, post
from client import Request

SEED = 165
PLACES = ("path", "query", "header", "cookie", "form", "body", "model")
EACH = 17

Random = random.Random


def digits(rng: Random, most: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(rng.randint(1, most)))


def an_int(rng: Random) -> str:
    return rng.choice((
        lambda: str(rng.randint(-120, 1100)),
        lambda: str(rng.randint(-(2**70), 2**70)),
        lambda: rng.choice("+- ") + digits(rng, 6),
        lambda: f"{digits(rng, 3)}_{digits(rng, 3)}",
        lambda: f"{digits(rng, 3)}.{rng.choice(('0', '00', '5', ''))}",
        lambda: f"{rng.randint(-9, 9)}e{rng.randint(-2, 4)}",
        lambda: "0" * rng.randint(1, 4) + digits(rng, 3),
    ))()


def a_float(rng: Random) -> str:
    return rng.choice((
        lambda: repr(rng.uniform(-10, 10)),
        lambda: repr(rng.uniform(-1, 1) * 10 ** rng.randint(-320, 308)),
        lambda: f"{digits(rng, 4)}e{rng.choice(('', '+', '-'))}{digits(rng, 3)}",
        lambda: rng.choice(("nan", "NaN", "inf", "-inf", "+Infinity", "infinity", "1e400", "-1e400", "1e-400", "-0.0", "-0")),
        lambda: rng.choice((".5", "5.", "1_0.5", "0x1p3", "1e", "e5", "--1", "1.5.5", " 1.5 ", "1,5")),
        lambda: an_int(rng),
    ))()


def a_bool(rng: Random) -> str:
    word = rng.choice(("true", "false", "yes", "no", "on", "off", "t", "f", "y", "n", "1", "0", "2", "01", "1.0", "tru", ""))
    return rng.choice((word, word.upper(), word.title(), word + " "))


def a_str(rng: Random) -> str:
    alphabet = rng.choice(("abcxyz019-", "ABC abc", "éß€😀a\u0301", "a+&=;%/?#\"'\\,:", "\u00a0\u2028\u200b~"))
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(0, 9)))


def a_uuid(rng: Random) -> str:
    text = str(uuid.UUID(int=rng.getrandbits(128)))
    return rng.choice((
        lambda: text,
        lambda: text.upper(),
        lambda: text.replace("-", ""),
        lambda: "{" + text + "}",
        lambda: "urn:uuid:" + text,
        lambda: text[: rng.randint(1, 35)],
        lambda: text.replace(rng.choice("-0123456789abcdef"), rng.choice("g-:")),
    ))()


def a_datetime(rng: Random) -> str:
    moment = datetime(1970, 1, 1) + timedelta(seconds=rng.uniform(-6e10, 2.5e11))
    return rng.choice((
        lambda: moment.isoformat(),
        lambda: moment.isoformat(" ", "minutes"),
        lambda: moment.isoformat("T", "seconds") + rng.choice(("Z", "z", "+02:00", "-0530", "+24:00", "+01", " Z")),
        lambda: moment.isoformat("_", "milliseconds"),
        lambda: str(rng.choice((rng.randint(-(10**10), 10**12), rng.uniform(-1e10, 1e11)))),
        lambda: moment.strftime("%Y-%m-%d"),
        lambda: moment.strftime("%Y-%m-%dT") + f"{rng.randint(20, 26)}:{rng.randint(55, 63)}:{rng.randint(55, 61)}",
    ))()


def a_date(rng: Random) -> str:
    return rng.choice((
        lambda: f"{rng.randint(0, 2200):04}-{rng.randint(1, 12):02}-{rng.randint(1, 31):02}",
        lambda: f"{rng.randint(1990, 2030)}-{rng.randint(0, 13)}-{rng.randint(0, 32)}",
        lambda: str(rng.randint(-20000, 20000) * 86400),
        lambda: a_datetime(rng),
        lambda: f"{rng.randint(1990, 2030)}-02-29T00:00:00",
    ))()


def a_time(rng: Random) -> str:
    clock = f"{rng.randint(0, 25):02}:{rng.randint(0, 61):02}"
    return rng.choice((
        lambda: clock,
        lambda: clock + f":{rng.randint(0, 60):02}",
        lambda: clock + f":{rng.randint(0, 59):02}.{digits(rng, 7)}",
        lambda: clock + rng.choice(("Z", "+01:00", "-25:00", " AM")),
        lambda: str(rng.choice((rng.randint(-5, 90000), rng.uniform(0, 86400)))),
    ))()


def a_timedelta(rng: Random) -> str:
    return rng.choice((
        lambda: f"P{rng.randint(0, 400)}DT{rng.randint(0, 30)}H{rng.randint(0, 70)}M{rng.randint(0, 70)}S",
        lambda: f"{rng.choice(('', '-', '+'))}P{rng.randint(0, 9)}{rng.choice('WDYM')}",
        lambda: f"{rng.choice(('', '-'))}{rng.randint(0, 9)} days, {rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}",
        lambda: f"{rng.randint(0, 30)}:{rng.randint(0, 70):02}:{rng.randint(0, 59):02}.{digits(rng, 6)}",
        lambda: repr(rng.uniform(-1e7, 1e7)),
        lambda: str(rng.randint(-(10**15), 10**15)),
        lambda: rng.choice(("P", "PT", "P1", "1d", "PT1.5H", "PT0.0000001S", "P99999999999D")),
    ))()


def a_decimal(rng: Random) -> str:
    return rng.choice((
        lambda: f"{rng.choice(('', '-', '+'))}{digits(rng, 4)}.{digits(rng, 3)}",
        lambda: f"{digits(rng, 40)}.{digits(rng, 20)}",
        lambda: f"{digits(rng, 2)}E{rng.choice(('', '+', '-'))}{rng.randint(0, 40)}",
        lambda: rng.choice(("NaN", "sNaN", "Infinity", "-Infinity", "1_0.5", ".", "1.", ".1", "0.00", "-0")),
        lambda: an_int(rng),
    ))()


def a_color(rng: Random) -> str:
    return rng.choice(("red", "green", "1", "RED", "blue", "red ", "", "1.0", "Color.red", "gre" + a_str(rng)))


def a_level(rng: Random) -> str:
    return rng.choice(("1", "20", "01", "+20", "1.0", "20.5", "low", "2", "", "true", an_int(rng)))


MAKERS: dict[str, Callable[[Random], str]] = {
    "int": an_int,
    "int-bounded": an_int,
    "float": a_float,
    "float-bounded": a_float,
    "float-finite": a_float,
    "bool": a_bool,
    "str": a_str,
    "str-bounded": a_str,
    "str-pattern": a_str,
    "uuid": a_uuid,
    "datetime": a_datetime,
    "date": a_date,
    "time": a_time,
    "timedelta": a_timedelta,
    "decimal": a_decimal,
    "decimal-bounded": a_decimal,
    "color": a_color,
    "level": a_level,
}


def as_header(text: str) -> bytes:
    """As a field value: UTF-8, for what latin-1 cannot say is read back as latin-1."""
    return text.encode("utf-8").strip()


def as_json(rng: Random, text: str) -> bytes:
    """As a string, or, where the text is JSON by itself, sometimes as it stands."""
    try:
        json.loads(text)
    except ValueError:
        bare = rng.random() < 0.03
    else:
        bare = rng.random() < 0.6
    if rng.random() < 0.05:
        return rng.choice((b"null", b"[]", b"{}", b"true", b"false", b"1e400", b"NaN", b'""', b'"\\ud800"'))
    return text.encode() if bare else json.dumps(text, ensure_ascii=rng.random() < 0.5).encode()


def make(rng: Random, place: str, kind: str) -> Request:
    text = MAKERS[kind](rng)
    if rng.random() < 0.04:
        text = a_str(rng)
    if place == "path":
        return get(f"/path/{kind}/{quote(text, safe=rng.choice(('', ':+,')))}")
    if place == "query":
        return get(f"/query/{kind}?value={(quote if rng.random() < 0.5 else quote_plus)(text)}")
    if place == "header":
        return get(f"/header/{kind}", ("Value", as_header(text)))
    if place == "cookie":
        return get(f"/cookie/{kind}", ("Cookie", b"a=b; value=" + as_header(text)))
    if place == "form":
        return form(f"/form/{kind}", f"value={quote_plus(text)}")
    return post(f"/{place}/{kind}", b'{"value": ' + as_json(rng, text) + b"}")


def batch(place: str, kind: str) -> list[Request]:
    """The requests for one type at one place; the same ones in every run."""
    rng = random.Random(f"{SEED} {place} {kind}")
    return [make(rng, place, kind) for _ in range(EACH)]


def a_document(rng: Random, depth: int = 0) -> str:
    """Random JSON text, with what the standard library's parser takes beyond the standard."""
    kind = rng.random()
    if depth < 4 and kind < 0.2:
        return "[" + ", ".join(a_document(rng, depth + 1) for _ in range(rng.randint(0, 5))) + "]"
    if depth < 4 and kind < 0.45:
        members = (f"{a_text(rng)}: {a_document(rng, depth + 1)}" for _ in range(rng.randint(0, 5)))
        return "{" + ",".join(members) + "}"
    if kind < 0.6:
        return a_text(rng)
    if kind < 0.75:
        return repr(rng.uniform(-1, 1) * 10 ** rng.randint(-30, 30))
    if kind < 0.9:
        return str(rng.randint(-(10 ** rng.randint(1, 30)), 10 ** rng.randint(1, 30)))
    return rng.choice(("null", "true", "false", "1e-7", "-0.0", "1E5", "0", "1e16", "1e400" if rng.random() < 0.1 else "1.0"))


def a_text(rng: Random) -> str:
    alphabet = rng.choice(("abc xyz", "é€ß", "😀\U0010ffff", "\"\\/\b\t\x01\x1f\x7f", "\u2028\ufeff"))
    text = "".join(rng.choice(alphabet) for _ in range(rng.randint(0, 8)))
    return json.dumps(text, ensure_ascii=rng.random() < 0.5)


def documents(batch_number: int) -> list[str]:
    rng = random.Random(f"{SEED} documents {batch_number}")
    return [a_document(rng) for _ in range(EACH)]
