"""max_body_size over sockets: announced or not, for plans, mounts and middleware."""

from __future__ import annotations

import http.client
import time

import pytest

SOURCE = """
from fastrapi import Body, FastrAPI, Request
from fastrapi.responses import PlainTextResponse

app = FastrAPI(max_body_size=5)
child = FastrAPI(max_body_size=9)
small = FastrAPI(max_body_size=3)

async def echo(request: Request):
    return PlainTextResponse(await request.body())

async def parsed(data: bytes = Body(media_type="text/plain")):
    return PlainTextResponse(data)

app.post("/echo")(echo)
app.post("/parsed")(parsed)
app.post("/more", max_body_size=9)(parsed)
child.post("/")(echo)
small.post("/")(echo)
app.mount("/child", child)
app.mount("/small", small)
"""

WRAPPED = """
@app.middleware("http")
async def through(request, call_next):
    return await call_next(request)
"""


@pytest.mark.parametrize("wrapped", [False, True])
def test_limits_hold(daemon, wrapped: bool) -> None:
    # A client may take its time between head and body: it reads the answer all the same.
    server = daemon(SOURCE + (WRAPPED if wrapped else ""), {"timeouts": {"linger": 60}}, errors=True)

    def post(path: str, size: int, chunked: bool) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
        try:
            body = b"x" * size
            pieces = iter([body[:2], body[2:]]) if chunked else body
            headers = {"content-type": "text/plain"}
            connection.request("POST", path, pieces, headers, encode_chunked=chunked)
            return connection.getresponse().status
        finally:
            connection.close()

    limits = {"/echo": 5, "/parsed": 5, "/more": 9, "/child/": 9, "/small/": 3}
    for path, limit in limits.items():
        for chunked in (False, True):
            found = [post(path, size, chunked) for size in (limit, limit + 1)]
            assert found == [200, 413], (path, chunked)


def test_how_long_a_refused_client_may_send_on_is_a_setting(daemon) -> None:
    for seconds, lasts in ((60, True), (0.1, False)):
        server = daemon(SOURCE, {"limits": {"body": "1K"}, "timeouts": {"linger": seconds}})
        with server.connect() as client:
            client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
            while client.recv(65536):
                pass  # the answer, and no more than that
            deadline = time.monotonic() + (3 if lasts else 60)  # more than the default
            reset = False
            while time.monotonic() < deadline and not reset:
                try:
                    client.sendall(b"x")
                except (ConnectionResetError, BrokenPipeError):
                    reset = True
                time.sleep(0.05)
            assert reset == (not lasts), seconds
        server.stop()
