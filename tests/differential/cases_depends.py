"""Dependencies, security, exceptions and background tasks.

Where the order of things counts, the case's second request asks the
application for its log, under a key of the case's own.
"""

from __future__ import annotations

from cases import Group, get, post, request
from client import Request

GROUP = Group("depends")
ADD = GROUP.add
SERIAL = 0


def gets(feature: str, *targets: str) -> None:
    ADD(feature, *(get(target) for target in targets))


def logged(feature: str, method: str, target: str, entries: int) -> None:
    """The request, then its log, which is complete with so many entries."""
    global SERIAL
    SERIAL += 1
    joint = "&" if "?" in target else "?"
    GROUP.sequence(feature, request(method, f"{target}{joint}key={SERIAL}"), get(f"/log/{SERIAL}?n={entries}"))


gets("simple", "/simple", "/simple?skip=1&limit=50", "/simple?limit=51", "/simple?skip=x", "/simple?skip=", "/simple-default-style?skip=3", "/simple-default-style", "/simple-default-style?skip=x&limit=99", "/simple?limit=99&skip=x", "/simple?x=1")
C = ("X-C", "3")
ADD("nested", get("/nested/1", C), get("/nested/1?b=5&a=7", C), get("/nested/x", C), get("/nested/1"), get("/nested/1?b=x", ("X-C", "x")), get("/nested-query?a=1", C), get("/nested-query"), get("/nested-query?a=x&b=x", ("X-C", "")), get("/nested-query?a=1&b=3", C), get("/nested/1/2", C))
gets("class", "/class", "/class?page=2&size=7", "/class?page=x", "/class-default-style?page=3", "/class-default-style?size=", "/callable?q=foobar", "/callable", "/callable?q=x&q=bar")
ADD("body", post("/body", {"a": 1}), post("/body", {"a": "x"}), request("POST", "/body"), post("/body-two", {"model": {"a": 1}, "other": 2}), post("/body-two", {"a": 1}), post("/body-two", {}), post("/body", []))
ADD("cookie", get("/cookie-or-query"), get("/cookie-or-query", ("Cookie", "session=s")), get("/cookie-or-query?q=q", ("Cookie", "session=s")), get("/cookie-or-query?q=", ("Cookie", "session=s")))
logged("cached", "GET", "/cached", 1)
logged("cached", "GET", "/uncached", 3)

for how, extra in (("ok", 0), ("http", 1), ("error", 1), ("response", 0), ("bad", 1)):
    logged("gen-one", "GET", f"/gen/one?how={how}", 3)
    logged("gen-two", "GET", f"/gen/two?how={how}", 5)
    logged("gen-async", "GET", f"/gen/async?how={how}", 5)
    logged("gen-nested", "GET", f"/gen/nested?how={how}", 7)
    logged("gen-scopes", "GET", f"/gen/scopes?how={how}", 6 - extra)
    logged("gen-translates", "GET", f"/gen/translates?how={how}", 2 if how == "error" else 1)
    logged("gen-swallows", "GET", f"/gen/swallows?how={how}", 2 if extra else 1)
logged("gen-invalid", "GET", "/gen/invalid?n=x", 0)
logged("gen-invalid", "GET", "/gen/invalid", 2)
logged("gen-invalid", "GET", "/gen/invalid?n=1", 5)
logged("gen-stream", "GET", "/gen/stream", 6)
logged("gen-raises", "GET", "/gen/raises-first", 3)
logged("gen-raises", "GET", "/gen/raises-last-function", 4)
logged("gen-response", "GET", "/gen/response", 2)
gets("context", "/context-async", "/context-sync", "/context-async", "/context-sync")

gets("marked", "/marked", "/marked-direct", "/marked-error")
TOKEN, WRONG = ("X-Token", "secret"), ("X-Token", "wrong")
ADD("guarded", get("/guarded", TOKEN), get("/guarded", WRONG), get("/guarded"), get("/guarded?limit=x", TOKEN), get("/guarded?limit=x", WRONG), get("/guarded?limit=x"))
ADD("router", get("/router/a?n=1", TOKEN), get("/router/a?n=x", TOKEN), get("/router/a?n=x", WRONG), get("/router/a"), get("/router/b?limit=1", TOKEN), get("/router/b?limit=51", TOKEN), get("/router/c", TOKEN))
ADD("router-twice", get("/twice/router/a?n=1&a=2", TOKEN), get("/twice/router/a?n=1", TOKEN), get("/twice/router/a?a=2", WRONG), get("/twice/router/b"), get("/twice/router/b?a=1", TOKEN))


def authorized(target: str, *values: str | bytes) -> tuple[Request, ...]:
    return tuple(get(target, ("Authorization", value)) for value in values)


TOKENS = ("Bearer abc", "bearer abc", "BEARER  abc", "Bearer", "Bearer ", "Basic abc", "abc", "", "Bearer a b c", b"Bearer \xe9", "Bearer\tabc")
for way in ("/bearer", "/bearer-security", "/bearer-lenient"):
    ADD("bearer", get(way), *authorized(way, *TOKENS))
ADD("bearer", get("/bearer", ("Authorization", "Bearer a"), ("Authorization", "Bearer b")), get("/bearer-lenient?n=x"), get("/bearer?n=x"))
ADD("user", get("/me?n=1"), *authorized("/me?n=1", "Bearer alice", "Bearer bob", "Basic alice"), *authorized("/me?n=x", "Bearer alice", "Bearer bob"), get("/me?n=x"))
gets("scopes", "/scopes")

gets("http", *(f"/http/{code}" for code in (400, 401, 403, 404, 405, 409, 418, 422, 500, 503, 200, 299, "x")))
gets("http-detail", *(f"/http-detail/{kind}" for kind in ("str", "dict", "list", "none", "int", "empty", "float", "nan", "object", "surrogate")))
gets("http-headers", "/http-headers", "/http-no-body/204", "/http-no-body/304", "/http-no-body/404", "/http-no-body/205")
gets("errors", "/raise/value", "/raise/key", "/raise/timeout", "/raise/os", "/raise/exit", "/raise-async/value", "/raise-async/key", "/raise-async/cancelled", "/raise-dependency", "/raise-dependency?n=1")

logged("background", "POST", "/background", 3)
logged("background", "POST", "/background?text=x", 3)
logged("background", "POST", "/background-dependency", 2)
logged("background", "POST", "/background-direct", 1)
logged("background", "POST", "/background-own", 1)
logged("background", "POST", "/background-error", 1)
logged("background", "POST", "/background-error?how=error", 1)
logged("background", "POST", "/background-error?how=ok", 2)
logged("background", "POST", "/background-fails", 1)
logged("background", "POST", "/background-gen", 5)
