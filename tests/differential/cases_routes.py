"""Which route answers, and what answers when none does."""

from __future__ import annotations

from cases import Group, get, post, request

GROUP = Group("routes")
ADD = GROUP.add
UUID = "12345678-1234-5678-1234-567812345678"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE")


def gets(feature: str, *targets: str | bytes) -> None:
    ADD(feature, *(get(target) for target in targets))


def methods(feature: str, target: str, *names: str) -> None:
    ADD(feature, *(request(name, target) for name in names))


gets("root", "/", "/?a=1", "//", "/?", "/nothing", "/%2e")
methods("root-methods", "/", *METHODS[1:])
methods("methods", "/methods", *METHODS)
methods("methods-missing", "/methods", "PURGE", "PROPFIND", "MKCOL", "LOCK", "REPORT")
methods("only-get", "/only-get", *METHODS)
methods("only-head", "/only-head", *METHODS[:4], "HEAD")
methods("head-direct", "/head-direct", "HEAD", "GET")
methods("api-route", "/api-route", "GET", "POST", "PURGE", "PUT", "HEAD", "OPTIONS")
methods("api-route-default", "/api-route-default", "GET", "POST", "HEAD")
methods("api-route-head", "/api-route-head", "GET", "HEAD", "POST")
ADD("api-route-head", request("HEAD", "/api-route-head?q=x"), request("HEAD", "/api-route-head?q=5"), request("HEAD", "/missing"))
methods("added", "/added", "GET", "PUT", "POST")
gets("added", "/added?q=x", "/added?q=3")
gets("stacked", "/stacked/a", "/stacked/b", "/stacked/c")
methods("stacked", "/stacked/b", "POST", "PUT")
methods("stacked", "/stacked/a", "POST")

gets("order", "/users/me", "/users/1", "/users/shadowed", "/users/x", "/users/", "/users", "/twice")
methods("order", "/users/shadowed", "POST", "PUT", "DELETE", "PATCH")
methods("order", "/users/me", "POST", "PUT", "DELETE")
methods("order", "/twice", "POST")

gets("convertor-int", *(f"/conv/int/{v}" for v in ("1", "0012", "-1", "1.5", "a", "", "9" * 25, "%31", "1/", "+1", "%D9%A3")))
gets("convertor-float", *(f"/conv/float/{v}" for v in ("1", "1.5", "1.", ".5", "-1.5", "1e3", "nan", "1.5.5", "9" * 400)))
gets("convertor-uuid", *(f"/conv/uuid/{v}" for v in (UUID, UUID.upper(), UUID.replace("-", ""), UUID[:-1], "x", "1234567812345678123456781234567g", UUID + "/")))
gets("convertor-str", "/conv/str/a/end", "/conv/str/a/end/", "/conv/str//end", "/conv/str/a/b/end", "/conv/str/%20/end", "/conv/str/a%2Fb/end")
gets("convertor-path", "/conv/path/a", "/conv/path/a/b/c", "/conv/path/", "/conv/path", "/conv/path//a//", "/conv/path/%2e%2e/x", "/conv/path/../x", "/conv/path/a?b", b"/conv/path/%FF/x", "/conv/path/a%3Fb%23c")
gets("convertor-any", "/conv/int-str/5", "/conv/any/5", "/conv/any/x", "/conv/any/-5", "/conv/any/5.0", "/conv/int-str/x")
gets("convertor-typed", f"/conv/uuid-typed/{UUID}", f"/conv/uuid-typed/{UUID.upper()}", "/conv/uuid-typed/x", "/conv/float-int/2.0", "/conv/float-int/2.5", "/conv/float-int/2")
gets("part", "/part/a.b", "/part/a.b.c", "/part/v1", "/part/v1.2", "/part/vx", "/part/.", "/part/a.", "/part/x", "/part/a%2Eb")
gets("deep", "/deep/a/b/1/x/y", "/deep/a/b/1/", "/deep/a/b/1", "/deep/a/c/1/x", "/deep/a/b/x/y", "/deep//b/1/x")
gets("enum", "/models/alexnet", "/models/lenet", "/models/", "/models/AlexNet", "/models/alexnet/")
gets("text", "/caf%C3%A9/1", "/caf%c3%a9/%C3%A9", "/caf%E9/1", "/a%20b/1", "/a+b/1", "/dots/../x", "/x", "/dots/%2e%2e/x", "/%75sers/me", "/users%2Fme", "/USERS/me")

gets("slash", "/no-slash", "/no-slash/", "/no-slash/?a=1&b=%20", "/slash/", "/slash", "/slash?x=1", "/both", "/both/", "/both//", "/no-slash//", "/param/1", "/param/1/", "/param/x", "/param/x/", "/param/a%20b?q", "/param/%C3%A9")
methods("slash", "/slash", "POST", "PUT", "HEAD", "DELETE")
methods("slash", "/no-slash/", "POST", "HEAD", "OPTIONS")
ADD("slash", request("GET", "/slash", (("X-Forwarded-Proto", "https"),)), request("POST", "/slash", (("Content-Type", "application/json"),), b'{"a":1}'))

gets("router", "/outer/own", "/outer/any", "/outer/inner", "/outer/inner/", "/outer/inner/3", "/outer/inner/x", "/inner", "/outer", "/outer/", "/again/outer/own", "/again/outer/inner/4", "/v1/acme/inner", "/v1/acme/inner/", "/v1/acme/inner/7", "/v1/acme/inner/x", "/v1//inner", "/outer/inner/3/")
methods("router", "/outer/any", "DELETE", "POST")
methods("router", "/outer/inner", "POST", "HEAD")
gets("router-plain", "/plain-router", "/plain-router/", "/plain-router/1", "/after-include/abc", "/after-include/abcd")
methods("router-plain", "/plain-router/1", "POST", "PUT")
methods("router-plain", "/plain-router/x", "POST")

gets("missing", "/nope", "/nope/", "/nope?x=1", "/users/1/2", "/%00", "/openapi.jso", "/nope%20x", "/a" * 500)
methods("missing", "/nope", *METHODS[1:])

ADD("request", get("/request/x"), get("/request/x?a=1&b=2&a=3"), get("/request/%C3%A9%20?q=%20+"), get("/request/x", ("Cookie", "a=1; b=2")), get("/request/x", ("X-A", "1"), ("X-A", "2")), get("/request/x", ("X-Latin", b"\xe9")), get("/request/a%2Bb?"), get("/request/x?%zz&=&;"), get("/request/x", ("Accept", "*/*"), ("User-Agent", "d")))
gets("injected", "/connection", "/url-for", "/response-only")
GROUP.sequence("state", get("/state"), get("/state"), get("/state"))
ADD("stream", request("POST", "/body-stream", (), b"x" * 100000), request("POST", "/body-stream", (), chunks=(b"abc", b"def")), request("POST", "/body-stream"))

gets("errors", "/boom", "/boom-async", "/not-found", "/validation-error", "/teapot", "/teapot?how=short", "/boom?x")
methods("errors", "/boom", "POST", "HEAD")
ADD("items", post("/items", {"item": {"n": 1}}), post("/items", {"item": {"n": "x"}, "x": "y"}), post("/items/", {"item": {"n": 1}}), request("GET", "/items"), request("OPTIONS", "/items"))
GROUP.sequence("keep-alive", get("/"), get("/boom"), get("/nope"), post("/items", b"{"), get("/users/x"), get("/"))
