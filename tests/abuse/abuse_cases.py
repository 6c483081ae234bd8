"""The cases: bytes in timed pieces, and what must come back.  README.md describes the keys."""

import re
import struct
import zlib

from abuse_wire import WSACCEPT, WSKEY, frame

# ------------------------------------------------------------------ steps and cases

SHUT = ("shut",)          # half-close our sending side
RST = ("rst",)            # reset the connection
INTERIM = ("interim",)    # wait until an interim response has arrived


def WAIT(n):              # wait until n final responses have arrived
    return ("wait", n)


class Case:
    def __init__(self, topic, name, rfc, level, steps, exp):
        self.topic, self.name, self.rfc, self.level, self.steps, self.exp = topic, name, rfc, level, steps, exp


CASES = []
MUST, SHOULD, ROBUST = "MUST", "SHOULD", "ROBUST"
R4 = set(range(400, 500))
R45 = R4 | {501, 505}
R4X = set(range(400, 600))


def add(topic, name, rfc, steps, level=MUST, **exp):
    if isinstance(steps, (bytes, bytearray)):
        steps = [bytes(steps)]
    CASES.append(Case(topic, name, rfc, level, steps, exp))


# exp keys:
#  st      set of allowed statuses of the 1st final response
#  sts     list of sets, one for each final response, in order
#  n       (min, max) number of final responses              default (1, 1)
#  none_ok a close with no response at all is fine           default False
#  closed  True: server must close; False: must stay open; None: either
#  body    exact body of 1st response; bodies: list
#  has/no  bytes that must / must not be in the raw output
#  chk     f(responses, interim, raw) -> None or message
#  heads   indices of responses to HEAD
#  within  seconds the run may take (deadline; default 3), and of the processor when it runs alone
#  ws      websocket expectation dict
#  solo    run alone
#  wait_ok server may also just wait (no answer, connection open)
#  raw_ok  f(raw) -> True accepts the output as it is

REJ = {"st": R45, "none_ok": True, "closed": True}              # framing errors: refuse and close
REJ400 = {"st": {400}, "none_ok": True, "closed": True}
H = b"Host: localhost\r\n"
GET = b"GET / HTTP/1.1\r\n" + H + b"\r\n"
SMUG = b"GET /items/666 HTTP/1.1\r\n" + H + b"\r\n"
NOSMUG = b'"id":666'


def get(path=b"/", extra=b"", version=b"HTTP/1.1", host=H, method=b"GET"):
    return method + b" " + path + b" " + version + b"\r\n" + host + extra + b"\r\n"


def post(body=b"", extra=b"", path=b"/echo", cl=True, version=b"HTTP/1.1", ctype=b"application/octet-stream"):
    h = b"POST " + path + b" " + version + b"\r\n" + H
    if ctype:
        h += b"Content-Type: " + ctype + b"\r\n"
    if cl is True:
        h += b"Content-Length: %d\r\n" % len(body)
    elif cl:
        h += cl
    return h + extra + b"\r\n" + body


def chunked(raw, extra=b"Transfer-Encoding: chunked\r\n", version=b"HTTP/1.1"):
    return post(b"", extra, cl=False, version=version) + raw


def bytewise(data, every=1, pause=0.002):
    out = []
    for i in range(0, len(data), every):
        out += [data[i:i + every], pause]
    return out


def not5xx(rs, interim, raw):
    if rs and rs[0].status >= 500:
        return "got %d" % rs[0].status


BODY_LIMIT = 1 << 20      # README: the target is configured with a 1 MiB body limit
WS_LIMIT = 1 << 24        # and a 16 MiB websocket message limit


def build(slow):
    # ---------------------------------------------------------------- request line
    T = "request-line"
    add(T, "binary garbage", "9112 3", bytes(range(128, 256)) * 8 + b"\r\n\r\n", **REJ)
    add(T, "version HTTP/1.10", "9112 2.3", get(version=b"HTTP/1.10"), st={400, 505}, none_ok=True)
    add(T, "version HTTP/1.", "9112 2.3", get(version=b"HTTP/1."), st={400, 505}, none_ok=True)
    add(T, "HTTP/2 prior-knowledge preface", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", level=ROBUST, raw_ok=lambda w: w[3:4] == b"\x04", **REJ)
    add(T, "invalid token in method", "9110 9.1", get(method=b"GE(T"), st={400, 405, 501}, none_ok=True)
    add(T, "unknown method answered 501/405", "9110 9.1", get(method=b"FOOBAR"), level=SHOULD, st={501, 405})
    add(T, "two spaces between parts", "9112 3", b"GET  /  HTTP/1.1\r\n" + H + b"\r\n", level=SHOULD, st={400}, none_ok=True)
    add(T, "tab as separator", "9112 3", b"GET\t/\tHTTP/1.1\r\n" + H + b"\r\n", level=SHOULD, st={400}, none_ok=True)
    add(T, "space before method", "9112 3", b" " + GET, level=SHOULD, st={400}, none_ok=True)
    add(T, "leading empty lines ignored", "9112 2.2", b"\r\n\r\n" + GET, level=SHOULD, st={200})
    add(T, "control character in target", "9112 3.2", get(b"/a\x01b"), st={400}, none_ok=True)
    add(T, "DEL in target", "9112 3.2", get(b"/a\x7fb"), st={400, 404}, none_ok=True)
    add(T, "bare CR in request line", "9112 2.2", b"GET /\r HTTP/1.1\r\n" + H + b"\r\n", st={400}, none_ok=True)
    add(T, "CONNECT not 2xx", "9110 9.3.6", get(b"localhost:80", method=b"CONNECT"), st=R4X | {301, 302, 307, 308}, none_ok=True)
    add(T, "TRACE does not reflect", "9110 9.3.8", get(b"/", b"X-Secret: kl33ver\r\n", method=b"TRACE"), level=ROBUST, st=R45, no=b"kl33ver", none_ok=True)
    add(T, "OPTIONS * understood", "9110 9.3.7", get(b"*", method=b"OPTIONS"), level=SHOULD, st={200, 204, 404, 405})
    add(T, "100 kB URI: if refused, then by 414", "9112 3", get(b"/" + b"a" * 100000), st={200, 404, 414}, solo=True)
    add(T, "endless request line cut off", "9112 3", [b"GET /"] + [b"a" * 65536] * 40, level=ROBUST, st={400, 414, 431}, none_ok=True, closed=True, solo=True)

    # ---------------------------------------------------------------- Host
    T = "host"
    add(T, "duplicate identical Host -> 400", "9112 3.2", get(extra=H), st={400})
    add(T, "Host with path and query -> 400 (CVE-2026-48710)", "CVE-2026-48710", get(host=b"Host: localhost/?\r\n"), st={400})
    for nm, v in (("userinfo", b"u:p@localhost"), ("a bad port", b"localhost:8x"), ("a port too large", b"localhost:99999999"),
                  ("an open bracket", b"[::1"), ("a space inside", b"local host"), ("no value and a path", b"/")):
        add(T, "Host with " + nm + " -> 400", "9112 3.2", get(host=b"Host: " + v + b"\r\n"), st={400})
    add(T, "no Host -> 400", "9112 3.2", get(host=b""), st={400})
    add(T, "two different Hosts -> 400", "9112 3.2", get(extra=b"Host: other\r\n"), st={400})
    add(T, "IPv6 Host accepted", "9110 7.2", get(host=b"Host: [::1]:80\r\n"), st={200})
    add(T, "HTTP/1.0 without Host accepted", "9112 3.2", get(host=b"", version=b"HTTP/1.0"), st={200}, closed=True)

    # ---------------------------------------------------------------- header fields
    T = "headers"
    add(T, "tab before colon -> 400", "9112 5.1", get(extra=b"X-A\t: b\r\n"), st={400})
    add(T, "obs-fold rejected or unfolded", "9112 5.2", get(extra=b"X-A: b\r\n c\r\n"), st={200, 400})
    add(T, "whitespace-led first field line", "9112 2.2", b"GET / HTTP/1.1\r\n X-A: b\r\n" + H + b"\r\n", st={400})
    add(T, "NUL in value", "9110 5.5", get(extra=b"X-A: a\x00b\r\n"), st={400})
    add(T, "bare CR in value", "9112 2.2", get(extra=b"X-A: a\rb\r\n"), st={400})
    add(T, "bare CR as line end", "9112 2.2", b"GET / HTTP/1.1\r\n" + H + b"X-A: a\rX-B: b\r\n\r\n", st={400})
    add(T, "DEL in value", "9110 5.5", get(extra=b"X-A: a\x7fb\r\n"), level=ROBUST, st={400})
    add(T, "brackets in name -> 400", "9110 5.1", get(extra=b"X-A[]: b\r\n"), st={400})
    add(T, "obs-text value accepted", "9110 5.5", get(extra=b"X-A: caf\xe9 \xff\r\n"), level=SHOULD, st={200})
    add(T, "empty value accepted", "9110 5.5", get(extra=b"X-A:\r\nX-B: \t \r\n"), st={200})
    add(T, "no OWS after colon accepted", "9112 5", get(host=b"Host:localhost\r\n"), st={200})
    add(T, "8 kB header value accepted", "9110 5.4", get(extra=b"Cookie: " + b"a" * 7900 + b"\r\n"), level=ROBUST, st={200})
    add(T, "128 kB header value -> exactly 431", "6585 5", get(extra=b"X-A: " + b"a" * 131072 + b"\r\n"), level=SHOULD, st={431}, solo=True)

    # ---------------------------------------------------------------- content-length
    T = "content-length"
    add(T, "POST with empty body", "9112 6.3", post(b""), st={200}, body=b"")
    add(T, "POST with no CL: empty body", "9112 6.3", post(b"", cl=False), st={200, 411}, body=b"")
    for nm, v in (("conflicting duplicate CL", b"Content-Length: 5\r\nContent-Length: 6\r\n"),
                  ("conflicting CL list", b"Content-Length: 5, 6\r\n"),
                  ("plus sign", b"Content-Length: +5\r\n"),
                  ("negative", b"Content-Length: -5\r\n"),
                  ("hex", b"Content-Length: 0x5\r\n"),
                  ("inner space", b"Content-Length: 5 5\r\n"),
                  ("trailing junk", b"Content-Length: 5;\r\n"),
                  ("decimal point", b"Content-Length: 5.0\r\n"),
                  ("underscore", b"Content-Length: 1_0\r\n"),
                  ("empty", b"Content-Length: \r\n"),
                  ("non-ASCII digit", b"Content-Length: \xef\xbc\x95\r\n"),
                  ("name with space before colon", b"Content-Length : 5\r\n")):
        add(T, nm + " -> 400 + close", "9112 6.3", post(b"hello", cl=v) + SMUG, no=NOSMUG, **REJ400)
    add(T, "2^63 refused", "9112 6.3", post(b"hello", cl=b"Content-Length: 9223372036854775808\r\n") + SMUG, level=ROBUST, no=NOSMUG, st={400, 413}, none_ok=True, closed=True)
    add(T, "OWS around CL accepted", "9112 5", post(b"hello", cl=b"Content-Length: \t5 \t\r\n"), st={200}, body=b"hello")
    add(T, "GET with body: body consumed", "9110 9.3.1", get(extra=b"Content-Length: %d\r\n" % len(SMUG)) + SMUG + GET, st={200, 400}, no=NOSMUG, n=(1, 2))
    add(T, "unread POST body of a 404 is not parsed as a request", "9112 9.3", post(SMUG * 40, path=b"/nope") + GET, st={404}, no=NOSMUG, n=(1, 2))

    # ---------------------------------------------------------------- transfer-encoding
    T = "transfer-encoding"
    CH = b"5\r\nhello\r\n0\r\n\r\n"
    add(T, "chunked echo", "9112 7.1", chunked(CH), st={200}, body=b"hello", closed=False)
    add(T, "CL + TE: 400, or TE wins and close", "9112 6.1", chunked(CH, b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + SMUG, st={200, 400}, none_ok=True, closed=True, no=NOSMUG,
        chk=lambda r, i, w: "CL won" if r and r[0].status == 200 and r[0].body != b"hello" else None)
    cls = b"Content-Length: 4\r\n"
    for nm, v, st in (("xchunked", b"Transfer-Encoding: xchunked\r\n", {400, 501}),
                      ("identity", b"Transfer-Encoding: identity\r\n", {400, 501}),
                      ("chunked, identity (chunked not final)", b"Transfer-Encoding: chunked, identity\r\n", {400, 501}),
                      ("chunked, chunked", b"Transfer-Encoding: chunked, chunked\r\n", {400, 501}),
                      ("gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n", {400, 501, 415}),
                      ("two fields chunked + identity", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", {400, 501}),
                      ("two fields chunked + cow", b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n", {400, 501}),
                      ("VT before chunked", b"Transfer-Encoding: \x0bchunked\r\n", {400, 501}),
                      ("NUL after chunked", b"Transfer-Encoding: chunked\x00\r\n", {400, 501}),
                      ("space before colon", b"Transfer-Encoding : chunked\r\n", {400}),
                      ("quoted chunked", b'Transfer-Encoding: "chunked"\r\n', {400, 501}),
                      ("chunked with parameter", b"Transfer-Encoding: chunked;a=b\r\n", {400, 501}),
                      ("empty TE", b"Transfer-Encoding: \r\n", {400, 501}),
                      ("chunk", b"Transfer-Encoding: chunk\r\n", {400, 501}),
                      ("folded value", b"Transfer-Encoding:\r\n chunked\r\n", {400}),
                      ("bare CR in name line", b"X: y\rTransfer-Encoding: chunked\r\n", {400})):
        add(T, "TE obfuscation: " + nm, "9112 6.1/6.3", chunked(CH, cls + v) + SMUG, level=ROBUST if nm in ("empty TE", "folded value") else MUST, st=st, none_ok=True, closed=True, no=NOSMUG)
    add(T, "TE in HTTP/1.0: refuse, or close after", "9112 6.1", chunked(CH, version=b"HTTP/1.0", extra=b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n") + SMUG, st={200, 400, 501}, none_ok=True, closed=True, no=NOSMUG)

    # ---------------------------------------------------------------- chunked bodies
    T = "chunked"
    for nm, raw, st in (("size zz", b"zz\r\nhello\r\n0\r\n\r\n", {400}),
                        ("empty size line", b"\r\nhello\r\n0\r\n\r\n", {400}),
                        ("negative size", b"-5\r\nhello\r\n0\r\n\r\n", {400}),
                        ("plus size", b"+5\r\nhello\r\n0\r\n\r\n", {400}),
                        ("0x size", b"0x5\r\nhello\r\n0\r\n\r\n", {400}),
                        ("underscore size", b"0_5\r\nhello\r\n0\r\n\r\n", {400}),
                        ("space before size", b" 5\r\nhello\r\n0\r\n\r\n", {400}),
                        ("17-digit size (wraps to 5)", b"10000000000000005\r\nhello\r\n0\r\n\r\n", {400, 413}),
                        ("size 2^64-1", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", {400, 413}),
                        ("size 2^63", b"8000000000000000\r\nhello\r\n0\r\n\r\n", {400, 413}),
                        ("data longer than size", b"3\r\nhello\r\n0\r\n\r\n", {400}),
                        ("no CRLF after data", b"5\r\nhello0\r\n\r\n", {400}),
                        ("LF-only after size", b"5\nhello\r\n0\r\n\r\n", {400}),
                        ("LF-only after data", b"5\r\nhello\n0\r\n\r\n", {400}),
                        ("CR-only after size", b"5\rhello\r\n0\r\n\r\n", {400}),
                        ("LF inside chunk-ext (TERM.EXT)", b"5;\nxx\r\nhello\r\n0\r\n\r\n", {400}),
                        ("CR inside chunk-ext", b"5;a\rb\r\nhello\r\n0\r\n\r\n", {400}),
                        ("NUL inside chunk-ext", b"5;a\x00b\r\nhello\r\n0\r\n\r\n", {400}),
                        ("junk after last chunk", b"5\r\nhello\r\n0\r\nxyz\r\n\r\n", {400}),
                        ("next request in place of final CRLF", b"5\r\nhello\r\n0\r\n", {400})):
        if nm.startswith("17-digit"):
            add(T, nm + ": not wrapped", "9112 7.1", chunked(raw) + SMUG, st=R4X, none_ok=True, wait_ok=True, no=NOSMUG)
        add(T, nm + " -> refuse + close", "9112 7.1", chunked(raw) + SMUG, level=ROBUST if nm.startswith(("size 2^6", "17-digit")) else MUST, st=R4X, none_ok=True, closed=True, no=NOSMUG)
    add(T, "malformed chunk is a 400, not a 5xx", "9110 15.5.1", chunked(b"zz\r\nhello\r\n0\r\n\r\n"), level=ROBUST, st={400}, closed=True)
    add(T, "chunk extension accepted", "9112 7.1.1", chunked(b'5;a=b;c="d;e"\r\nhello\r\n0;x\r\n\r\n'), st={200}, body=b"hello")
    add(T, "1 MB chunk extension cut off", "9112 7.1.1", [chunked(b"5;"), *([b"a" * 65536] * 16), b"\r\nhello\r\n0\r\n\r\n"], level=ROBUST, st=R4X, none_ok=True, closed=True, solo=True)
    add(T, "trailers accepted, connection reusable", "9112 7.1.2", chunked(b"5\r\nhello\r\n0\r\nX-T: a\r\n\r\n") + GET, n=(2, 2), sts=[{200}, {200}], body=b"hello")
    add(T, "trailer cannot set framing", "9110 6.5.1", chunked(b"5\r\nhello\r\n0\r\nContent-Length: 90\r\nTransfer-Encoding: x\r\nHost: evil\r\n\r\n") + GET, n=(1, 2), st={200, 400, 501})
    add(T, "endless trailers cut off", "9112 7.1.2", [chunked(b"5\r\nhello\r\n0\r\n"), *([b"X-T: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 1700] * 20)], level=ROBUST, st=R4X, none_ok=True, closed=True, solo=True)
    add(T, "20000 one-byte chunks", "9112 7.1", chunked(b"1\r\na\r\n" * 20000 + b"0\r\n\r\n"), level=ROBUST, st={200}, body=b"a" * 20000, solo=True)
    add(T, "EOF inside chunked body: no 2xx", "9112 8", [chunked(b"5\r\nhel"), SHUT], st=R4X, none_ok=True, closed=True)
    add(T, "EOF before last chunk: no 2xx", "9112 8", [chunked(b"5\r\nhello\r\n"), SHUT], st=R4X, none_ok=True, closed=True)

    # ---------------------------------------------------------------- connection
    T = "connection"
    add(T, "HTTP/1.0 keep-alive: reuse or close, no TE", "9112 9.3", get(version=b"HTTP/1.0", extra=b"Connection: keep-alive\r\n"), st={200}, chk=lambda r, i, w: "TE to a 1.0 client" if r[0].get("transfer-encoding") else None)
    add(T, "Date on 200", "9110 6.6.1", GET, st={200}, chk=lambda r, i, w: None if re.match(r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$", r[0].get("date") or "") else "Date %r" % r[0].get("date"))
    add(T, "HEAD: no body, same CL as GET", "9110 9.3.2", get(method=b"HEAD") + GET, n=(2, 2), heads=(0,), sts=[{200, 405}, {200}],
        chk=lambda r, i, w: "CL %s vs %s" % (r[0].get("content-length"), r[1].get("content-length")) if r[0].status == 200 and r[0].get("content-length") and r[0].get("content-length") != r[1].get("content-length") else None)
    add(T, "half-close after request still answered", "9112 9.6", [GET, SHUT], level=ROBUST, st={200}, closed=True)
    add(T, "half-close after POST still answered", "9112 9.6", [post(b"hello"), SHUT], level=ROBUST, st={200}, body=b"hello", closed=True)
    add(T, "half-close right after connect", "9112 9.5", [SHUT], level=ROBUST, n=(0, 1), closed=True)
    add(T, "reset mid-body", "9112 9.5", [post(b"hel", cl=b"Content-Length: 50000\r\n"), 0.05, RST], level=ROBUST, n=(0, 0))
    add(T, "reset right after request", "9112 9.5", [GET, RST], level=ROBUST, n=(0, 1))
    add(T, "reset with 1000 pipelined requests pending", "9112 9.5", [GET * 1000, RST], level=ROBUST, n=(0, 1000), solo=True)

    # ---------------------------------------------------------------- pipelining
    T = "pipelining"
    add(T, "good then garbage: 200, 400, close", "9112 9.3.2", GET + b"\x00\x01garbage\r\n\r\n", n=(1, 2), st={200}, closed=True)
    add(T, "good then no-Host: 200, 400", "9112 9.3.2", GET + get(host=b""), n=(2, 2), sts=[{200}, {400}])
    add(T, "headers and body in separate writes", "9112 6.2", [post(b"", cl=b"Content-Length: 5\r\n"), 0.1, b"he", 0.1, b"llo"], st={200}, body=b"hello")

    # ---------------------------------------------------------------- Expect / upgrade
    T = "expect-upgrade"
    add(T, "Expect: 100-continue: 100 then 200", "9110 10.1.1", [post(b"", b"Expect: 100-continue\r\n", cl=b"Content-Length: 5\r\n"), INTERIM, b"hello"], st={200}, body=b"hello", chk=lambda r, i, w: None if i == [100] else "interim %r" % i)
    add(T, "Expect value is case-insensitive", "9110 10.1.1", [post(b"", b"Expect: 100-Continue\r\n", cl=b"Content-Length: 5\r\n"), INTERIM, b"hello"], st={200}, chk=lambda r, i, w: None if i == [100] else "interim %r" % i)
    add(T, "no 100 to an HTTP/1.0 client", "9110 10.1.1", [post(b"", b"Expect: 100-continue\r\n", cl=b"Content-Length: 5\r\n", version=b"HTTP/1.0"), 0.2, b"hello"], st={200}, chk=lambda r, i, w: "sent 100" if i else None)
    add(T, "no 100 for a GET without body", "9110 10.1.1", get(extra=b"Expect: 100-continue\r\n"), level=SHOULD, st={200}, chk=lambda r, i, w: "sent 100" if i else None)
    add(T, "h2c upgrade ignored (or really done)", "9110 7.8", get(extra=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"), st={200, 101})
    add(T, "unknown upgrade ignored", "9110 7.8", get(extra=b"Connection: Upgrade\r\nUpgrade: foo/1\r\n") + GET, n=(2, 2), sts=[{200}, {200}])
    add(T, "Upgrade without Connection token ignored", "9110 7.8", get(extra=b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + WSKEY + b"\r\n"), level=SHOULD, st={200})
    add(T, "upgrade with request body is not smuggling", "9110 7.8", post(SMUG, b"Connection: Upgrade\r\nUpgrade: foo\r\n") + GET, n=(1, 2), st={200, 400}, no=b'{"id":666')

    # ---------------------------------------------------------------- paths and queries
    T = "paths"
    PW = b"root:x"
    for nm, p in (("/../../etc/passwd", b"/../../etc/passwd"), ("%2e%2e", b"/%2e%2e/%2e%2e/%2e%2e/etc/passwd"),
                  ("%2f", b"/..%2f..%2f..%2fetc%2fpasswd"), ("double encoding", b"/%252e%252e/%252e%252e/etc/passwd"),
                  ("backslashes", b"/..\\..\\etc\\passwd"), ("overlong UTF-8", b"/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd")):
        add(T, "traversal " + nm, "3986 6.2.2.3", get(p), st={400, 403, 404, 307, 308}, no=PW)
    add(T, "bad percent escape not 5xx", "3986 2.1", get(b"/items/%zz"), level=ROBUST, st={400, 404, 422})
    add(T, "percent-encoded unreserved equals plain", "3986 6.2.2.2", get(b"/%69tems/%31"), st={200}, has=b'"id":1')
    add(T, "encoded CRLF injects nothing", "9110 5.5", get(b"/items/1%0d%0aX-Inj:%20yes"), level=ROBUST, st=R4, chk=lambda r, i, w: "injected" if r[0].get("x-inj") else None)
    add(T, "trailing-slash redirect does not reflect CRLF/host", "9110 10.2.2", get(b"//evil.example/%0d%0aX-Inj:yes/"), level=ROBUST, st={400, 404, 307, 308}, chk=lambda r, i, w: "open redirect %r" % r[0].get("location") if re.match(r"^(https?:)?//evil", r[0].get("location") or "") or r[0].get("x-inj") else None)
    add(T, "40-digit id not 5xx", "app", get(b"/items/" + b"9" * 40), level=ROBUST, st={200, 422, 404})
    add(T, "invalid UTF-8 in path not 5xx", "3986 2.5", get(b"/items/%ff%fe"), level=ROBUST, st={400, 404, 422})
    add(T, "invalid UTF-8 in query not 5xx", "3986 2.5", get(b"/items/1?q=%ff%fe"), level=ROBUST, st={200, 400, 422})
    add(T, "raw non-ASCII bytes in target", "9112 3.2", get(b"/items/1?q=\xff\xc3\xa9"), level=ROBUST, st={200, 400, 422}, none_ok=True)

    # ---------------------------------------------------------------- JSON
    T = "json"

    def js(body, st, nm, level=ROBUST, **kw):
        add(T, nm, "8259", post(body, path=b"/json", ctype=b"application/json"), level=level, st=st, **kw)
    BAD = {400, 422}
    js(b'{"a":1}', {200}, "valid object", has=b'"keys":1')
    js(b"", BAD, "empty body")
    js(b"{", BAD, "truncated")
    js(b'{"a":1} x', BAD, "trailing garbage")
    js(b"[1]", BAD, "array in place of object")
    js(b'{"a":"\xff\xfe"}', BAD, "invalid UTF-8")
    js(b'\xff\xfe{\x00}\x00', {200, 400, 422}, "UTF-16 input")
    js(b'\xef\xbb\xbf{"a":1}', {200, 400, 422}, "BOM")
    js(b"[" * 100000, BAD, "100k nested arrays", solo=True)
    js(b'{"a":' * 100000, BAD, "100k nested objects, unclosed", solo=True)
    js(b'{"a":' + b"[" * 50000 + b"]" * 50000 + b"}", {200, 400, 422}, "50k nested arrays, well-formed", solo=True)
    js(b'{"a":' + b"9" * 100000 + b"}", {200, 400, 422}, "100k-digit integer", solo=True)
    js(b'{"a":1e99999}', {200, 400, 422}, "float overflow")
    js(b'{"a":NaN,"b":-Infinity}', {200, 400, 422}, "NaN / Infinity")
    js(b'{"a":"\\ud800"}', {200, 400, 422}, "lone surrogate")
    js(b'{"\\u0000":"\\u0000"}', {200}, "escaped NUL")
    js(b'{"a":1,"a":2}', {200, 400, 422}, "duplicate keys")
    js(b"{" + b",".join(b'"k%d":%d' % (i, i) for i in range(50000)) + b"}", {200}, "50k keys", solo=True)
    js(b'{"a":"' + b"x" * 900000 + b'"}', {200}, "900 kB string", solo=True)
    add(T, "JSON under text/plain not 5xx", "9110 8.3", post(b'{"a":1}', path=b"/json", ctype=b"text/plain"), level=ROBUST, st={200, 400, 415, 422})

    # ---------------------------------------------------------------- multipart
    T = "multipart"

    def part(name=b"file", fn=b"a.txt", data=b"DATA", extra=b""):
        return b'Content-Disposition: form-data; name="' + name + b'"; filename="' + fn + b'"\r\n' + extra + b"\r\n" + data

    def mp(body, st, nm, ctype=b"multipart/form-data; boundary=BB", level=ROBUST, rfc="7578", **kw):
        add(T, nm, rfc, post(body, path=b"/upload", ctype=ctype), level=level, st=st, **kw)
    ONE = b"--BB\r\n" + part() + b"\r\n--BB--\r\n"
    mp(ONE, {200}, "valid upload", has=b'"size":4')
    mp(ONE, BAD, "no boundary parameter", ctype=b"multipart/form-data")
    mp(ONE, BAD, "empty boundary", ctype=b"multipart/form-data; boundary=")
    mp(ONE, BAD, "boundary does not match", ctype=b"multipart/form-data; boundary=CC")
    mp(ONE, {200, 400, 422}, "5 kB boundary", ctype=b"multipart/form-data; boundary=" + b"B" * 5000)
    mp(ONE, {200, 400, 422}, "non-ASCII boundary", ctype=b"multipart/form-data; boundary=\xff\xfe")
    mp(b"", BAD, "empty body")
    mp(b"--BB\r\n" + part(), {200, 400, 422}, "no closing boundary")
    mp(b"--BB\r\nContent-Disposition: form-data\r\n\r\nx\r\n--BB--\r\n", BAD, "part without a name")
    mp(b"--BB\r\n\r\nx\r\n--BB--\r\n", BAD, "part without headers")
    mp(b"--BB\r\n" + part(fn=b"../../../tmp/evil") + b"\r\n--BB--\r\n", {200, 400, 422}, "filename traversal: no 5xx")
    mp(b"--BB\r\n" + part(fn=b"a\x00b") + b"\r\n--BB--\r\n", {200, 400, 422}, "NUL in filename")
    mp(b"--BB\r\n" + part(fn=b'\xff"\\') + b"\r\n--BB--\r\n", {200, 400, 422}, "bad UTF-8 in filename")
    mp(b"--BB\r\n" + part(extra=b"X-A: " + b"a" * 200000 + b"\r\n") + b"\r\n--BB--\r\n", BAD | {413, 431}, "200 kB part header refused", solo=True)
    mp(b"--BB\r\n" + part(extra=b"X-A: a\r\n" * 20000) + b"\r\n--BB--\r\n", BAD | {413, 431}, "20k headers in a part refused", solo=True)
    mp(b"".join(b'--BB\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nv\r\n' % i for i in range(12000)) + b"--BB--\r\n", BAD | {413}, "12k fields refused (CVE-2023-30798)", rfc="CVE-2023-30798", solo=True, within=10)
    mp(b"\r\n" * 200000 + ONE, {200, 400, 422}, "400 kB of CRLF before the boundary (CVE-2024-53981)", rfc="CVE-2024-53981", solo=True)
    mp(ONE + b"x" * 400000, {200, 400, 422}, "400 kB after the last boundary (CVE-2024-53981)", rfc="CVE-2024-53981", solo=True)
    mp(ONE, {200, 400, 415, 422}, "ReDoS Content-Type (CVE-2024-24762)", rfc="CVE-2024-24762", ctype=b"multipart/form-data; !=\"" + b"\\" * 7000, solo=True, within=4)

    add(T, "400k urlencoded fields bounded (CVE-2026-54283)", "CVE-2026-54283", post(b"a&" * 400000, path=b"/form", ctype=b"application/x-www-form-urlencoded"), level=ROBUST, st=BAD | {413}, within=3, solo=True)
    add(T, "700 kB urlencoded field: no 5xx (CVE-2026-54283)", "CVE-2026-54283", post(b"name=" + b"%41" * 230000, path=b"/form", ctype=b"application/x-www-form-urlencoded"), level=ROBUST, st={200, 400, 413, 422}, within=3, solo=True)
    add(T, "900 kB text field in multipart: bounded, no 5xx (CVE-2024-47874)", "CVE-2024-47874", post(b'--BB\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"x" * 900000 + b"\r\n--BB--\r\n", path=b"/form", ctype=b"multipart/form-data; boundary=BB"), level=ROBUST, st={200, 400, 413, 422}, within=4, solo=True)

    # ---------------------------------------------------------------- ranges (GET /file: 1000 bytes, i % 251)
    T = "ranges"
    FILE = bytes(i % 251 for i in range(1000))

    def rng(nm, v, st, level=ROBUST, rfc="9110 14.2", extra=b"", **kw):
        add(T, nm, rfc, get(b"/file", b"Range: " + v + b"\r\n" + extra), level=level, st=st, **kw)
    add(T, "whole file", "9110 14.2", get(b"/file"), level=ROBUST, st={200}, body=FILE)
    rng("bytes=0-9", b"bytes=0-9", {200, 206}, level=MUST, chk=lambda r, i, w: "wrong part" if r[0].status == 206 and (r[0].body != FILE[:10] or r[0].get("content-range") != "bytes 0-9/1000") else None)
    rng("suffix bytes=-5", b"bytes=-5", {200, 206}, level=MUST, chk=lambda r, i, w: "wrong part" if r[0].status == 206 and r[0].body != FILE[-5:] else None)
    rng("past the end -> 416 with Content-Range", b"bytes=5000-6000", {200, 416}, chk=lambda r, i, w: "no Content-Range" if r[0].status == 416 and r[0].get("content-range") != "bytes */1000" else None)
    rng("reversed range", b"bytes=9-0", {200, 400, 416})
    rng("huge numbers", b"bytes=" + b"9" * 400 + b"-", {200, 400, 416})
    rng("5000-digit number (int limit)", b"bytes=" + b"9" * 5000 + b"-", {200, 400, 416, 431})
    rng("unknown unit ignored", b"cows=0-9", {200, 400, 416})
    rng("1300 overlapping ranges bounded (CVE-2025-62727)", b"bytes=" + b",".join(b"%d-" % (i % 900) for i in range(1300)), {200, 206, 400, 416, 431}, rfc="CVE-2025-62727", chk=lambda r, i, w: "amplified to %d bytes" % len(w) if len(w) > 20000 else None)
    rng("bad If-Range date not 5xx", b"bytes=0-1", {200, 206, 400}, extra=b"If-Range: garbage\r\n")
    add(T, "bad If-Modified-Since not 5xx", "9110 13.1.3", get(b"/file", b"If-Modified-Since: Foo, 99 Bar 0000 99:99:99 GMT\r\n"), level=ROBUST, st={200, 400})

    # ---------------------------------------------------------------- limits
    T = "limits"
    add(T, "declared body over limit -> 413", "9110 15.5.14", post(b"x" * 1000, cl=b"Content-Length: 1073741824\r\n"), level=ROBUST, st={413})
    add(T, "sent body over limit -> 413 readable", "9110 15.5.14", post(b"x" * (BODY_LIMIT + 300000)), level=ROBUST, st={413}, within=8, solo=True)
    add(T, "200 idle connections do not block a request", "9112 9.5", [("herd", 200, b"GET / HTTP/1.1\r\nHo"), GET], level=ROBUST, st={200}, within=4, solo=True)

    # ---------------------------------------------------------------- timeouts (run in parallel at the end)
    T = "timeouts"
    drip = [b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "] + [x for _ in range(int(slow / 0.4)) for x in (b"a", 0.4)]
    add(T, "head that trickles cut off", "9112 9.5", drip, level=ROBUST, st={408, 400}, none_ok=True, closed=True, within=slow + 2)
    trickle = [x for _ in range(int(slow / 0.4)) for x in (b"a", 0.4)]
    add(T, "body that trickles cut off", "9112 9.5", [post(b"", cl=b"Content-Length: 1000\r\n"), *trickle], level=ROBUST, st={408, 400}, none_ok=True, closed=True, within=slow + 2)
    add(T, "chunked body that trickles cut off", "9112 9.5", [chunked(b""), *[x if isinstance(x, float) else b"1\r\na\r\n" for x in trickle]], level=ROBUST, st={408, 400}, none_ok=True, closed=True, within=slow + 2)
    add(T, "connection without another request closed", "9112 9.3", [GET, slow], level=ROBUST, st={200}, closed=True, within=slow + 2)
    add(T, "silent connection closed", "9112 9.5", [slow], level=ROBUST, n=(0, 1), closed=True, within=slow + 2)
    add(T, "stalled websocket handshake cut off", "9112 9.5", [b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n", slow], level=ROBUST, st={408, 400}, none_ok=True, closed=True, within=slow + 2)

    # ---------------------------------------------------------------- websocket handshake
    T = "ws-handshake"

    def up(extra=b"", path=b"/ws", method=b"GET", version=b"HTTP/1.1", conn=b"Connection: Upgrade\r\n", upg=b"Upgrade: websocket\r\n", key=b"Sec-WebSocket-Key: " + WSKEY + b"\r\n", ver=b"Sec-WebSocket-Version: 13\r\n"):
        return method + b" " + path + b" " + version + b"\r\n" + H + conn + upg + key + ver + extra + b"\r\n"

    def accept_ok(r, i, w):
        if r[0].get("sec-websocket-accept") != WSACCEPT:
            return "Sec-WebSocket-Accept %r" % r[0].get("sec-websocket-accept")
        if (r[0].get("upgrade") or "").lower() != "websocket" or "upgrade" not in (r[0].get("connection") or "").lower():
            return "Upgrade/Connection headers"
    NOT101 = R45 | {426}
    add(T, "token case and Connection list", "6455 4.2.1", up(conn=b"connection: keep-alive, uPGRADE\r\n", upg=b"UPGRADE: WebSocket\r\n"), st={101}, chk=accept_ok)
    add(T, "key not 16 bytes -> 4xx", "6455 4.2.1", up(key=b"Sec-WebSocket-Key: c2hvcnQ=\r\n"), st=NOT101, none_ok=True)
    add(T, "key not base64 -> 4xx", "6455 4.2.1", up(key=b"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n"), st=NOT101, none_ok=True)
    add(T, "duplicate key -> 4xx", "6455 11.3.1", up(extra=b"Sec-WebSocket-Key: " + WSKEY + b"\r\n"), level=SHOULD, st=NOT101, none_ok=True)
    add(T, "missing version -> 4xx", "6455 4.2.1", up(ver=b""), st=NOT101, none_ok=True)
    add(T, "POST handshake not 101", "6455 4.2.1", up(method=b"POST", extra=b"Content-Length: 0\r\n"), st=NOT101 | {200}, none_ok=True)
    add(T, "HTTP/1.0 handshake not 101", "6455 4.2.1", up(version=b"HTTP/1.0"), st=NOT101 | {200}, none_ok=True)
    add(T, "unknown path not 101", "6455 4.2.2", up(path=b"/nope"), st=R4, none_ok=True)
    add(T, "HTTP route not 101", "6455 4.2.2", up(path=b"/"), st=R4 | {200}, none_ok=True)
    add(T, "plain GET of a ws route not 5xx/101", "6455 4.2.1", get(b"/ws"), level=ROBUST, st=R4)
    add(T, "garbage extensions header", "6455 9.1", up(b"Sec-WebSocket-Extensions: ;;,,=x; permessage-deflate; permessage-deflate; server_max_window_bits=99\r\n"), level=ROBUST, st={101, 400}, none_ok=True)

    # ---------------------------------------------------------------- websocket frames
    T = "ws-frames"

    def ws(nm, rfc, steps, level=MUST, within=3, solo=False, **w):
        if isinstance(steps, (bytes, bytearray)):
            steps = [steps]
        if level != SHOULD and "close" in w and not w.get("eof"):
            w["close"] = w["close"] | {1005}
        add(T, nm, rfc, [up(), WAIT(1)] + list(steps), level=level, st={101}, ws=w, within=within, solo=solo)
    HI = frame(1, b"hi")
    ws("text echo", "6455 5.6", HI, msgs=[(1, b"hi")])
    ws("empty text echo", "6455 5.6", frame(1), msgs=[(1, b"")])
    ws("binary 65536 echo", "6455 5.2", frame(2, b"\xff" * 65536), msgs=[(2, b"\xff" * 65536)])
    ws("50 frames in one write, in order", "6455 5.4", b"".join(frame(1, b"%d" % i) for i in range(50)), msgs=[(1, b"%d" % i) for i in range(50)])
    ws("frame byte at a time", "6455 5.2", bytewise(frame(1, b"hello bytes")), msgs=[(1, b"hello bytes")])
    ws("fragmented message", "6455 5.4", frame(1, b"a", fin=False) + frame(0, b"", fin=False) + frame(0, b"b"), msgs=[(1, b"ab")])
    ws("ping inside fragments", "6455 5.4", frame(1, b"a", fin=False) + frame(9, b"p") + frame(0, b"b"), msgs=[(1, b"ab")], pongs=[b"p"])
    ws("ping 125 -> identical pong", "6455 5.5.3", frame(9, b"z" * 125), pongs=[b"z" * 125])
    ws("unsolicited pong ignored", "6455 5.5.3", frame(10, b"x") + HI, msgs=[(1, b"hi")])
    ws("unmasked frame -> 1002", "6455 5.1", frame(1, b"hi", mask=False), close={1002})
    ws("RSV1 without extension -> 1002", "6455 5.2", frame(1, b"hi", rsv=4), close={1002})
    ws("RSV2 -> 1002", "6455 5.2", frame(1, b"hi", rsv=2), close={1002})
    ws("RSV3 on ping -> 1002", "6455 5.2", frame(9, b"hi", rsv=1), close={1002})
    ws("reserved opcode 3 -> 1002", "6455 5.2", frame(3, b"hi"), close={1002})
    ws("reserved opcode 11 -> 1002", "6455 5.2", frame(11, b"hi"), close={1002})
    ws("ping of 126 bytes -> 1002", "6455 5.5", frame(9, b"z" * 126), close={1002})
    ws("fragmented ping -> 1002", "6455 5.5", frame(9, b"z", fin=False) + frame(0, b"z"), close={1002})
    ws("continuation with nothing to continue -> 1002", "6455 5.4", frame(0, b"x"), close={1002})
    ws("new text inside a fragmented message -> 1002", "6455 5.4", frame(1, b"a", fin=False) + frame(1, b"b"), close={1002})
    ws("64-bit length with top bit -> 1002/1009", "6455 5.2", frame(2, b"", lenform=64, declared=1 << 63), close={1002, 1009})
    ws("non-minimal 16-bit length -> 1002", "6455 5.2", frame(1, b"hi", lenform=16), level=SHOULD, close={1002})
    ws("non-minimal 64-bit length -> 1002", "6455 5.2", frame(1, b"hi", lenform=64), level=SHOULD, close={1002})
    ws("declared 1 TiB frame refused at once", "6455 10.4", frame(2, b"", lenform=64, declared=1 << 40) + b"x" * 1000, level=ROBUST, close={1009, 1002})
    ws("message over 16 MiB in fragments -> 1009", "6455 10.4", [frame(2, b"a" * 65536, fin=False)] + [frame(0, b"a" * 65536, fin=False)] * 280, level=ROBUST, close={1009}, within=20, solo=True)
    ws("invalid UTF-8 text -> 1007", "6455 8.1", frame(1, b"\xce\xba\xff"), close={1007})
    ws("UTF-8 surrogate in text -> 1007", "6455 8.1", frame(1, b"\xed\xa0\x80"), close={1007})
    ws("overlong UTF-8 in text -> 1007", "6455 8.1", frame(1, b"\xc0\xaf"), close={1007})
    ws("message ends mid-codepoint -> 1007", "6455 8.1", frame(1, b"a\xe2\x82"), close={1007})
    ws("codepoint split over fragments is fine", "6455 8.1", frame(1, b"\xe2\x82", fin=False) + frame(0, b"\xac"), msgs=[(1, b"\xe2\x82\xac")])
    for nm, f, code in (("unmasked frame", frame(1, b"hi", mask=False), 1002), ("RSV bit", frame(1, b"hi", rsv=2), 1002), ("orphan continuation", frame(0, b"x"), 1002),
                        ("invalid UTF-8", frame(1, b"\xff"), 1007), ("1-byte close payload", frame(8, b"\x03"), 1002)):
        ws("exact close code %d for %s" % (code, nm), "6455 7.1.7", f, level=SHOULD, close={code})
    ws("close 1000 answered and TCP closed", "6455 5.5.1/7.1.1", frame(8, b"\x03\xe8bye"), close={1000, 1005}, eof=True)
    ws("close without code answered", "6455 5.5.1", frame(8), close={1005, 1000}, eof=True)
    ws("close payload of 1 byte -> 1002", "6455 5.5.1", frame(8, b"\x03"), close={1002})
    ws("close code 1005 on the wire -> 1002", "6455 7.4.1", frame(8, struct.pack("!H", 1005)), close={1002})
    ws("close code 999 -> 1002", "6455 7.4.2", frame(8, struct.pack("!H", 999)), close={1002})
    ws("close code 2999 -> 1002", "6455 7.4.2", frame(8, struct.pack("!H", 2999)), level=SHOULD, close={1002})
    ws("close code 3000 echoed", "6455 7.4.2", frame(8, struct.pack("!H", 3000)), close={3000, 1000}, eof=True)
    ws("close reason invalid UTF-8 -> 1007/1002", "6455 5.5.1", frame(8, b"\x03\xe8\xff\xff"), close={1007, 1002})
    ws("close payload of 126 bytes -> 1002", "6455 5.5", frame(8, b"\x03\xe8" + b"a" * 124), close={1002})
    ws("data after close is ignored", "6455 5.5.1", frame(8, b"\x03\xe8") + HI, msgs=[], close={1000})
    ws("3000 pings, then text", "6455 5.5.2", [frame(9, b"%04d" % i) for i in range(3000)] + [HI], level=ROBUST, msgs=[(1, b"hi")], minpongs=1, within=15, solo=True)
    ws("20000 empty fragments, then text", "6455 5.4", [frame(1, b"", fin=False) + frame(0, b"", fin=False) * 20000 + frame(0, b"end")], level=ROBUST, anyof=True, within=15, solo=True)
    ws("frame header split at every byte, 64-bit length", "6455 5.2", bytewise(frame(2, b"x" * 70000)[:14]) + [frame(2, b"x" * 70000)[14:]], msgs=[(2, b"x" * 70000)])
    ws("TCP closed without a close frame", "6455 7.1.5", [HI, 0.1, SHUT], level=ROBUST, anyof=True)
    ws("TCP reset mid-frame", "6455 7.1.7", [frame(2, b"x" * 1000)[:300], RST], level=ROBUST, anyof=True)
    ws("HTTP request bytes after 101 -> 1002/close", "6455 5.2", GET * 3, level=MUST, close={1002, 1003, 1007, 1009}, nohttp=True)
    # permessage-deflate bomb: only when the server negotiates it
    comp = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = comp.compress(b"\0" * (64 << 20)) + comp.flush(zlib.Z_SYNC_FLUSH)
    add(T, "permessage-deflate bomb (64 MiB in 64 kB) -> 1009, or extension not offered", "7692 / 6455 10.4", [up(b"Sec-WebSocket-Extensions: permessage-deflate\r\n"), WAIT(1), ("ifpmd", frame(2, bomb[:-4], rsv=4))], level=ROBUST, st={101}, ws={"pmd": True, "close": {1009}}, within=10, solo=True)
