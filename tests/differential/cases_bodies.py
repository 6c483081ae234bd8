"""Request bodies: shapes, content types, and the corners of JSON."""

from __future__ import annotations

import json

from cases import Group, multipart, part, post, request, send

GROUP = Group("bodies")
ADD = GROUP.add
ITEM = {"name": "Foo", "price": 42.5}
USER = {"username": "alice", "email": "alice@example.com"}
JSON = ("Content-Type", "application/json")


def posts(feature: str, target: str, *values: object) -> None:
    ADD(feature, *(post(target, value) for value in values))


# One model
posts("model", "/item", ITEM, ITEM | {"description": None}, ITEM | {"tags": ["a", "b"]}, ITEM | {"price": "3"}, ITEM | {"extra": 1}, ITEM | {"name": "é€😀"})
posts("model-invalid", "/item", {}, {"name": "a"}, ITEM | {"price": "x"}, ITEM | {"name": 1}, ITEM | {"tags": "a"}, ITEM | {"tags": [1, None]}, [], [ITEM], "x", 1, None, True, ITEM | {"name": None, "price": None, "description": 2})
ADD("model-put", send("PUT", "/item/1?q=x", ITEM), send("PUT", "/item/1", ITEM), send("PUT", "/item/x", ITEM), send("PUT", "/item/x?q=1", {}), send("PUT", "/item/1", b"{"), request("PUT", "/item/1"))
ADD("model-patch", send("PATCH", "/item", ITEM), send("PATCH", "/item", ITEM | {"tags": []}), send("PATCH", "/item", {"price": 1}))
ADD("model-delete", send("DELETE", "/item", ITEM), request("DELETE", "/item"), send("DELETE", "/item", {"name": 1}))
ADD("model-get", send("GET", "/get-with-body", ITEM), request("GET", "/get-with-body"), send("GET", "/get-with-body", []))
posts("optional", "/optional", ITEM, None, {}, [], {"name": "x"})
ADD("optional", request("POST", "/optional"), request("POST", "/optional-default"), post("/optional-default", None), post("/optional-default", ITEM), post("/optional-default", {"name": 1}))

# Several bodies and embed
posts("two", "/two", {"item": ITEM, "user": USER}, {"item": ITEM}, {}, ITEM, {"item": {}, "user": {}}, {"item": None, "user": None}, [], "x", {"item": ITEM, "user": {"username": "ab"}}, {"item": ITEM, "user": USER | {"email": "nope"}}, {"user": USER, "item": ITEM, "more": 1})
ADD("two", request("POST", "/two"), post("/two", b"null"), post("/two", b"[1"), post("/two", 3))
posts("two-optional", "/two-optional", {}, {"item": ITEM}, {"user": None}, {"item": {}}, None, [])
ADD("two-optional", request("POST", "/two-optional"))
FULL = {"item": ITEM, "user": USER, "importance": 5}
posts("several", "/several/1", FULL, FULL | {"the-note": "n"}, FULL | {"note": "n"}, FULL | {"importance": 0}, FULL | {"importance": "x"}, {"importance": 1}, {}, None)
ADD("several", post("/several/x?q=1", {}), post("/several/1?q=1", FULL), request("POST", "/several/x"))
posts("embed", "/embed", {"item": ITEM}, ITEM, {}, {"item": None}, {"item": []}, [], None, {"item": {"name": "x"}}, {"item": ITEM, "other": 1})
posts("embed-default-style", "/embed-default-style", {"item": ITEM}, ITEM, {"item": 1}, [ITEM], "item")
posts("embed-optional", "/embed-optional", {}, {"n": 1}, {"n": None}, {"n": -1}, {"n": "x"}, None, [], 5)
ADD("embed-optional", request("POST", "/embed-optional"))

# Scalars in the body
posts("scalar-int", "/scalar/int", 1, "2", 3.0, True, 10**30, -5)
posts("scalar-int-invalid", "/scalar/int", 1.5, "x", None, [], {}, "1.0", 1e20, {"n": 1})
ADD("scalar-int", *(post("/scalar/int", b) for b in (b"1e2", b"-0", b"1.0", b"1E400", b"NaN", b"01", b" 1 ", b"9" * 4301, b"1e20", b"9007199254740993.0")))
posts("scalar-str", "/scalar/str", "abc", "", "é€😀", "abcdef", 1, None, ["a"])
posts("scalar-bool", "/scalar/bool", True, False, 1, 0, "yes", 2, "x", None, 1.0, 0.5)
ADD("scalar-bool", request("POST", "/scalar/bool"))
ADD("scalar-float", *(post("/scalar/float", b) for b in (b"1e-7", b"1e400", b"-1e400", b"NaN", b"Infinity", b"-Infinity", b"-0.0", b"1", b'"1.5"', b"true", b"0.1000000000000000055511151231257827", b"123456789012345678901234567890")))
ADD("scalar-float-invalid", *(post("/scalar/float", b) for b in (b'"x"', b"null", b"[]", b"{}", b".5", b"5.", b"+1", b"nan", b"1e", b"Infinit", b"-")))
posts("scalar-bytes", "/scalar/bytes", "abc", "é", "", 1, None, "\ud800")
ADD("scalar-bytes", request("POST", "/scalar/bytes", (("Content-Type", "application/octet-stream"),), b"\x00\xffabc"), request("POST", "/scalar/bytes", (), b"plain"))
posts("scalar-datetime", "/scalar/datetime", "2024-01-02T03:04:05Z", "2024-01-02", 1700000000, 1.5, "x", None, True, {}, "1700000000")

# Anything
ADD("any", *(post("/any", b) for b in (b"1e-7", b"1e400", b"-1E+400", b"NaN", b"[NaN,Infinity,-Infinity]", b'{"a":1,"a":2}', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\u0000"', b"12345678901234567890123456789", b"1.0", b"-0", b"[]", b"{}", b'""', b"null", b"0.1e1")))
ADD("any-echo", *(post("/any-echo", b) for b in (b"1e-7", b"1e22", b"1e16", b"123456789.123456789", b"NaN", b"1e400", b'"\\ud800"', b'"\\u2028<>&\'"', b'{"b":1,"a":{"c":[1,2.0,null,true]}}', b'"\\u007f\\u0080\\t"', b"null", b"12345678901234567890123456789", b"-0.0", b'{"a":1,"a":2}')))
ADD("any-echo", request("POST", "/any-echo"), request("POST", "/any-echo", (JSON,)), request("POST", "/any-echo", (), b"abc"), request("POST", "/any-echo", (), b"\xff"))

# Containers
posts("dict", "/dict", {"a": 1}, {}, {"a": "2"}, {"a": "x", "b": None}, [], {"": 0}, {"é": 1.0}, [["a", 1]])
posts("dict-int-keys", "/dict-int-keys", {"1": 1, "2": 2.5}, {"x": 1}, {"1": "x"}, {"1.0": 1}, {"01": 1, "1": 2}, {" 1": 1})
ADD("dict-int-keys", post("/dict-int-keys", b'{"1":1e-7}'), post("/dict-int-keys", b'{"1":NaN}'))
posts("plain-dict", "/plain-dict", {"a": [1, {"b": None}]}, [], "x", None)
posts("list", "/list", [], [ITEM, ITEM], [ITEM, {}], ITEM, [None], {"0": ITEM}, "x")
posts("list-int", "/list-int", [1, 2, "3"], [1.5], ["x", 1, "y"], {"a": 1}, [True], list(range(1000)), [[1]])
posts("set", "/set", [3, 1, 1], [], ["x"], {}, None)
posts("tuple", "/tuple", [1, "a"], [1], [1, "a", 2], ["x", 1], {"0": 1})

# Unions, dates, strict models, bytes
posts("union", "/union", ITEM, USER, ITEM | USER, {}, [], {"username": "ab"}, {"name": "x", "price": "y"})
posts("discriminated", "/discriminated", {"kind": "cat"}, {"kind": "dog", "good": "no"}, {"kind": "dog"}, {"kind": "fox"}, {}, {"kind": None}, [], {"kind": "cat", "lives": "x"})
posts("datetime-or-str", "/datetime-or-str", {"at": "2024-01-02T03:04:05"}, {"at": "2024-01-02"}, {"at": "1700000000"}, {"at": 1700000000}, {"at": "soon"}, {"at": None}, {"at": 1.5, "span": "P1D"}, {"at": "", "span": 3.5}, {"at": True, "span": "x"}, {"at": "2024-01-02 03:04+01:30", "span": "1 days"}, {"at": "12:00"})
posts("strict", "/strict", {"n": 1}, {"n": 1, "f": 1}, {"n": 1, "f": 1.5, "s": "x", "b": True})
posts("strict-invalid", "/strict", {"n": "1"}, {"n": 1.0}, {"n": True}, {"n": 1, "s": 1}, {"n": 1, "b": 1}, {"n": 1, "at": "2024-01-01T00:00:00"}, {"n": 1, "kind": "a"}, {"n": 1, "id": "12345678-1234-5678-1234-567812345678"}, {"n": 1, "t": [1, 2]}, {"n": 1, "f": "1"}, {})
posts("strict-field", "/strict-field", {"n": 1, "loose": "1"}, {"n": "1"}, {"n": 1.0}, {"n": True}, {"n": 10**25})
posts("bytes", "/bytes", {"data": "abc"}, {"data": "é", "more": "x"}, {"data": 1}, {"data": None}, {"data": "", "more": None})
ADD("bytes", post("/bytes", b'{"data":"\\ud800"}'), post("/bytes", b'{"data":"\\u0000\\u00ff"}'))
posts("bytes-base64", "/bytes-base64", {"data": "aGVsbG8="}, {"data": "not base64!"}, {"data": ""}, {"data": "aGVsbG8"}, {"data": 1})
ADD("numbers", *(post("/numbers", b'{"' + k + b'":' + v + b"}") for k, v in ((b"f", b"1e-7"), (b"f", b"1e400"), (b"f", b"NaN"), (b"i", b"1e3"), (b"i", b"1.0"), (b"i", b"123456789012345678901234567890"), (b"d", b"1.10"), (b"d", b'"1.10"'), (b"d", b"1e-7"), (b"d", b"NaN"), (b"d", b"12345678901234567890.123"), (b"b", b"1"), (b"b", b'"on"'), (b"s", b'"\\ud800"'), (b"s", b'"\\u0000"'))))
ADD("numbers-invalid", *(post("/numbers", b'{"' + k + b'":' + v + b"}") for k, v in ((b"f", b'"x"'), (b"i", b"1e400"), (b"i", b"NaN"), (b"i", b"1.5"), (b"i", b"Infinity"), (b"d", b'"x"'), (b"d", b"true"), (b"d", b"1e400"), (b"b", b"2"), (b"b", b"NaN"), (b"s", b"1"), (b"s", b"NaN"), (b"s", b"1e400"), (b"s", b"[1e-7,null]"), (b"i", b'"\\ud800"'), (b"s", b'{"a":1,"a":2}'), (b"i", b"[12345678901234567890123456789]"))))

# Configuration and validators
posts("forbid", "/forbid", {"a": 1}, {"a": 1, "b": 2}, {"b": 1, "c": 2}, {}, {"a": "x", "": 1})
posts("allow", "/allow", {}, {"a": 2, "b": [1, {"c": None}]}, {"b": "x"}, {"a": "x", "b": 1}, {"b": 1e-7})
ADD("allow", post("/allow", b'{"b":NaN}'), post("/allow", b'{"b":"\\ud800"}'), post("/allow", b'{"b":1e400,"c":123456789012345678901}'))
posts("aliases", "/aliases", {"First": 1}, {"first": 1, "Second": 5}, {"second": 1}, {"First": 1, "first": 2}, {"First": "x", "Second": "y"}, {"First": 1, "SECOND": 3})
posts("checked", "/checked", {"a": 2, "b": 3}, {"a": 2, "b": [1, 2, 3]}, {"a": 1, "b": 3}, {"a": 4, "b": 3}, {"a": 1, "b": "x"}, {"a": 0, "b": []}, {})
posts("tree", "/tree", {"value": 1}, {"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]}, {"value": 1, "children": [{"value": "x"}, {}]}, {"value": 1, "children": None}, {"value": 1, "children": {"value": 1}})
posts("deep", "/deep", {"items": {"a": [ITEM]}}, {"items": {"a": [ITEM, {}], "b": 1}}, {"items": {}, "kind": "b", "owner": USER}, {"items": {}, "kind": "c", "owner": {"username": 1}}, {"items": []})
posts("typed-dict", "/typed-dict", {"title": "x"}, {"title": "x", "year": "1999"}, {"year": 1}, {"title": 1, "year": "x"}, [], {"title": "x", "more": 1})
posts("dataclass", "/dataclass", {"x": 1}, {"x": "1", "y": 2}, {"y": 1}, {"x": None}, [1, 2], {"x": 1, "z": 1})

# What a body may be on the wire
GOOD = json.dumps(ITEM).encode()
ADD("syntax", *(post("/item", b) for b in (b"", b" ", b"{", b"{}}", b'{"name":"a","price":1,}', b"{'name':'a'}", b'{"name": "a" "price": 1}', b"// x", b'{"name":"a\nb","price":1}', b'{"name":"\\x","price":1}', b'{"name":"\\u12","price":1}', b'"', b"nul", b"[1,]", b'{"a":}', b"{1:2}", b'\t\r\n{"name":"a","price":1}\n')))
ADD("encoding", *(post("/item", b) for b in (b"\xef\xbb\xbf" + GOOD, b'{"name":"\xff","price":1}', b'{"name":"\xc3\xa9","price":1}', b'{"name":"\xed\xa0\x80","price":1}', GOOD.decode().encode("utf-16"), GOOD.decode().encode("utf-16-le"), GOOD.decode().encode("utf-32-be"), b"\x00", b"\xff\xfe", b"\xc3", b'{"name":"\x00","price":1}')))
ADD("surrogates", *(post("/item", b'{"name":"' + b + b'","price":1}') for b in (b"\\ud800", b"\\udc00x", b"\\ud83d\\ude00", b"\\ud83d\\u0041", b"\\ud83d", b"\\uD83D\\uDE00")))
ADD("surrogates", post("/item", b'{"name":"x","price":"\\ud800"}'), post("/item", b'{"\\ud800":1}'), post("/embed-optional", b'{"n":"\\ud800"}'))
ADD("duplicates", post("/item", b'{"name":"a","name":"b","price":1}'), post("/item", b'{"name":1,"name":"b","price":1}'), post("/item", b'{"name":"b","name":1,"price":1}'), post("/two-optional", b'{"item":{"name":"a","price":1},"item":null}'), post("/dict", b'{"a":1,"b":2,"a":3}'))
ADD("depth", post("/tree", b'{"value":1,"children":[' * 60 + b'{"value":1}' + b"]}" * 60), post("/any", b"[" * 100 + b"]" * 100), post("/any", b"[" * 100000), post("/any", b"[" * 5000 + b"]" * 5000), post("/item", b'{"name":' * 3000), post("/tree", b'{"value":1,"children":[' * 300 + b'{"value":1}' + b"]}" * 300))
ADD("large", post("/list-int", list(range(20000))), post("/item", ITEM | {"name": "x" * 300000}), post("/dict", {str(n): n for n in range(3000)}))
KINDS = ("application/json", "application/json; charset=utf-8", "application/json; charset=latin-1", "APPLICATION/JSON", "application/vnd.api+json", "application/problem+json; x=1", "application/geo+json-seq", "text/json", "text/plain", "application/jsonx", "application/x-www-form-urlencoded", "application/octet-stream", "json", "", "application/", "application/json, text/plain", "application/json;", "; application/json", "application /json", "*/*", "application/+json", "multipart/form-data; boundary=x")
ADD("content-type", *(request("POST", "/item", (("Content-Type", kind),), GOOD) for kind in KINDS))
ADD("content-type", request("POST", "/item", (), GOOD), request("POST", "/item", (("Content-Type", "text/plain"),), b"\xff\xfe"), request("POST", "/item", (JSON, ("Content-Type", "text/plain")), GOOD), request("POST", "/item", (("Content-Type", "text/plain"), JSON), GOOD), multipart("/item", part("name", "x")), request("POST", "/item", (("content-TYPE", "application/json"),), GOOD))
ADD("content-type", request("POST", "/two", (("Content-Type", "text/plain"),), b"abc"), request("POST", "/embed-optional", (("Content-Type", "text/plain"),), b"abc"), request("POST", "/dict", (), b"{}"), request("POST", "/item", (("Content-Type", b"application/json\xe9"),), GOOD))
ADD("empty", request("POST", "/item"), request("POST", "/item", (JSON,)), request("POST", "/item", (JSON, ("Content-Length", "0"))), request("POST", "/item", (JSON,), chunks=()), request("POST", "/embed", (JSON,)), request("POST", "/scalar/int", (JSON,)), request("POST", "/any", (JSON,)))
ADD("chunked", request("POST", "/item", (JSON,), chunks=(GOOD,)), request("POST", "/item", (JSON,), chunks=[bytes([b]) for b in GOOD]), request("POST", "/item", (JSON,), chunks=(GOOD[:5], GOOD[5:])), request("POST", "/item", (JSON,), chunks=(GOOD[:-1],)), request("POST", "/list-int", (JSON,), chunks=(b"[", b"1," * 40000, b"1]")), request("POST", "/raw", (), chunks=(b"a" * 70000, b"b")))
ADD("raw", request("POST", "/raw", (), b"\x00\xff"), request("POST", "/raw"), request("POST", "/raw", (("Content-Type", "text/plain"),), b"x" * 100000), request("POST", "/raw", (JSON,), b"{"))
ADD("request-json", post("/request-json", {"a": 1}), post("/request-json", b"[1e-7,NaN]"), request("POST", "/request-json", (), b'"x"'), post("/request-json", b"{"), request("POST", "/request-json"))
ADD("raw-and-model", post("/raw-and-model", ITEM), post("/raw-and-model", {}), post("/raw-and-model", b"{"))
ADD("no-body", post("/no-body/1", ITEM), post("/no-body/1", b"{"), request("POST", "/no-body/1"), request("POST", "/no-body/x", (JSON,), b"{"), request("POST", "/no-body/1", (), chunks=(b"x" * 1000,)))
