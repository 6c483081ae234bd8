"""Middleware, mounts, static files, streams, exception handlers and the OpenAPI document."""

from __future__ import annotations

from cases import Group, get, post, request

GROUP = Group("wrapped")
ADD = GROUP.add
ORIGIN = ("Origin", "http://good.test")
BAD_ORIGIN = ("Origin", "http://bad.test")
GZIP = ("Accept-Encoding", "gzip")


ADD("middleware", get("/plain"), get("/plain/"), get("/stopped"), request("POST", "/plain"), request("HEAD", "/plain"), get("/nowhere"))
ADD("cors", get("/plain", ORIGIN), get("/plain", BAD_ORIGIN), get("/nowhere", ORIGIN), get("/items/3", ORIGIN), get("/items/2", ORIGIN))
ADD(
    "cors-preflight",
    *(
        request("OPTIONS", "/plain", (origin, ("Access-Control-Request-Method", method)))
        for origin in (ORIGIN, BAD_ORIGIN)
        for method in ("GET", "PUT", "PATCH")
    ),
)
ADD("gzip", get("/plain", GZIP), get("/big", GZIP), get("/big"), get("/stream", GZIP), get("/lines", GZIP))
ADD("handlers", *(get(f"/items/{n}") for n in (0, 1, 2, 3, 4, "x")), get("/items/5?q=a"))
ADD("bodies", post("/items", {"name": "a"}), post("/items", {"price": "x"}), post("/items", b"{"), post("/items", b""))
ADD("raw", request("POST", "/raw", body=b"x" * 100_000), request("POST", "/raw"), request("POST", "/raw", chunks=("ab", "c" * 5000)))
ADD("streams", get("/stream"), get("/lines"), get("/alines"), request("HEAD", "/stream"))
ADD(
    "static",
    get("/static/a.txt"),
    request("HEAD", "/static/a.txt"),
    request("POST", "/static/a.txt"),
    get("/static/a.txt", ("Range", "bytes=2-5")),
    get("/static/a.txt", ("Range", "bytes=90-99")),
    get("/static/nothing.txt"),
    get("/static/../wrapped.py"),
    get("/static/%2e%2e/wrapped.py"),
    get("/static/deeper"),
    get("/static"),
    get("/static/"),
    get("/pages/"),
    get("/pages/deeper"),
    get("/pages/deeper/"),
)
ADD("mounted", get("/sub/here/5"), get("/sub/here/x"), get("/sub/nowhere"), get("/sub"), get("/sub/"), get("/sub/here/5/"), request("DELETE", "/sub/here/5"))
ADD("mounted", get("/sub/openapi.json"))
ADD("late", get("/api/late"), get("/api/late/"), get("/api"))
ADD("openapi", get("/openapi.json"), request("POST", "/openapi.json"))
