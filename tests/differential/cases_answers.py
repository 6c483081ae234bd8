"""What handlers return, and what becomes of it on the wire."""

from __future__ import annotations

from cases import Group, get, post, request

GROUP = Group("answers")
ADD = GROUP.add

NAMES = (
    "none true int big float tiny huge whole minus-zero max denormal nan inf nested-nan str empty-str surrogate "
    "surrogate-key bytes bytes-bad list tuple set frozenset deque range dict empty-dict none-key int-key float-key "
    "nan-key bool-key same-key mixed-keys tuple-key enum-key uuid-key date-key sa-key enum int-enum datetime "
    "datetime-utc datetime-offset date time timedelta decimal decimal-int decimal-exp decimal-big decimal-nan uuid ip "
    "path secret ordered defaultdict namedtuple model models model-in-dict object function complex exception "
    "huge-int negative-big floats controls joined-surrogates nan-in-tuple subclasses subclass-keys flags plain-enum deep "
    "deep-dict too-deep empties many pattern color-text"
).split()


def gets(feature: str, *targets: str) -> None:
    ADD(feature, *(get(target) for target in targets))


for way in ("value", "value-async", "value-any", "value-dict", "value-json"):
    gets(way, *(f"/{way}/{name}" for name in NAMES))
gets("value-json-direct", *(f"/value-json-direct/{name}" for name in ("tiny", "nan", "str", "surrogate", "none-key", "mixed-keys", "tuple-key", "big", "datetime", "model", "tuple", "subclasses", "subclass-keys", "floats", "controls", "joined-surrogates", "flags")))
gets("value-float", *(f"/value-float/{name}" for name in ("int", "tiny", "huge", "nan", "inf", "minus-zero", "str", "none", "whole", "max", "denormal")))
gets("value-str", *(f"/value-str/{name}" for name in ("str", "empty-str", "surrogate", "int", "bytes", "enum", "none")))
gets("value-int-keys", *(f"/value-int-keys/{name}" for name in ("int-key", "bool-key", "none-key", "float-key", "empty-dict", "list")))
gets("objects", "/dataclass", "/dataclass-typed", "/plain-object", "/slots-object", "/recursive", "/generator-value")

KEYS = "bare full defaults extra bad missing none model set-none other-model list odd surrogate".split()
for way in ("model", "model-annotated", "model-optional", "model-list", "model-union", "model-none", "exclude-unset", "exclude-defaults", "exclude-none", "include", "include-list", "exclude", "exclude-html"):
    gets(way, *(f"/{way}/{key}" for key in KEYS))
gets("alias", "/by-alias", "/by-name", "/by-alias-none")
USER = {"username": "u", "password": "p", "full_name": "f"}
ADD("filter", post("/user", USER), post("/user-annotated", USER), post("/user", {"username": "u"}), post("/user-annotated", {}), get("/subclass"))
gets("serializers", "/computed", "/computed-plain", "/from-attributes", "/floats?f=1e-7", "/floats?f=nan", "/floats?f=1e22", "/floats-plain?f=1e-7", "/floats-plain?f=inf", "/floats?f=-0.0", "/floats-plain?f=1e16")
gets("validate", "/int-for-str", "/str-for-int", "/annotated-return", "/response-annotation", "/response-union", "/response-union?plain=1", "/response-union?plain=x")

ADD("status", request("POST", "/created"), request("DELETE", "/no-content"), request("DELETE", "/no-content-value"), get("/not-modified"), get("/teapot"), get("/odd-status"))
gets("injected-status", *(f"/injected-status/{code}" for code in (200, 201, 204, 304, 404, 418, 500, 599, "x")))
gets("injected", "/injected-headers", "/injected-content-type", "/injected-none")

gets("html", "/html", "/html-direct", "/html-wrong", "/html-none")
gets("plain", "/plain", "/plain?text=%C3%A9", "/plain?text=", "/plain-bytes", "/plain?text=%F0%9F%98%80")
ADD("redirect", get("/redirect"), get("/redirect?to=/a%20b%0D%0Ax"), get("/redirect?to=https://example.com/%C3%A9?a=b%26c%23d"), get("/redirect-class"), get("/redirect-status"), get("/redirect?to="))
FILES = ("/file", "/file-class", "/file-named", "/file-missing", "/file-head")
gets("file", *FILES)
ADD("file", request("HEAD", "/file-head"), request("HEAD", "/file"), get("/file", ("Range", "bytes=0-4")), get("/file", ("Range", "bytes=-5")), get("/file", ("Range", "bytes=1000-")), get("/file", ("Range", "bytes=0-1,4-5")), get("/file", ("Range", "lines=1")), get("/file", ("If-None-Match", "*")))
gets("raw", "/raw", "/raw-empty", "/raw-headers", "/raw-length", "/raw-class", "/raw-status/200", "/raw-status/204", "/raw-status/304", "/raw-status/404")
gets("class", "/custom", "/custom-model", "/json-direct", "/json-direct-bad")
gets("stream", "/stream", "/stream-async")
gets("large", "/large", "/large-plain")
