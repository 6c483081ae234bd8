"""What abuse.py reads and writes: HTTP/1.1 responses, parsed strictly, and WebSocket frames."""

import base64
import hashlib
import re
import struct

# ------------------------------------------------------------------ responses


class Resp:
    __slots__ = ("status", "reason", "version", "headers", "body", "complete", "framing", "raw_head")

    def get(self, name):
        v = [b for a, b in self.headers if a == name.lower()]
        return v[0] if v else None

    def all(self, name):
        return [b for a, b in self.headers if a == name.lower()]


STATUS_RE = re.compile(rb"^HTTP/1\.[01] ([1-9][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)$")
FIELD_RE = re.compile(rb"^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$")


def parse_responses(buf, eof, heads=()):
    """-> (final responses, interim statuses, error, rest). Incomplete last one has complete=False."""
    out, interim, pos = [], [], 0
    while pos < len(buf):
        end = buf.find(b"\r\n\r\n", pos)
        if end < 0:
            return out, interim, None, buf[pos:]
        lines = buf[pos:end].split(b"\r\n")
        m = STATUS_RE.match(lines[0])
        if not m:
            return out, interim, "bad status line %r" % lines[0][:60], buf[pos:]
        r = Resp()
        r.status, r.reason, r.version = int(m[1]), m[2], lines[0][:8]
        r.headers, r.raw_head = [], buf[pos:end]
        for ln in lines[1:]:
            f = FIELD_RE.match(ln)
            if not f:
                return out, interim, "bad response field %r" % ln[:60], buf[pos:]
            r.headers.append((f[1].lower().decode("latin-1"), f[2].decode("latin-1")))
        pos = end + 4
        if r.status < 200 and r.status != 101:
            interim.append(r.status)
            continue
        r.body, r.complete = b"", True
        te, cl = r.get("transfer-encoding"), r.all("content-length")
        if te and cl:
            return out, interim, "response has both TE and CL", buf[pos:]
        if len(set(cl)) > 1:
            return out, interim, "response has conflicting CL", buf[pos:]
        if r.status == 101:
            r.framing = "upgrade"
            out.append(r)
            return out, interim, None, buf[pos:]
        if len(out) in heads or r.status in (204, 304):
            r.framing = "none"
        elif te:
            r.framing = "chunked"
            if te.lower() != "chunked":
                return out, interim, "response TE %r" % te, buf[pos:]
            body = b""
            while True:
                e = buf.find(b"\r\n", pos)
                if e < 0:
                    r.complete = False
                    break
                try:
                    n = int(buf[pos:e].split(b";")[0], 16)
                except ValueError:
                    return out, interim, "bad response chunk size", buf[pos:]
                if n == 0:
                    e2 = buf.find(b"\r\n\r\n", e)
                    if buf[e:e + 4] == b"\r\n\r\n":
                        pos = e + 4
                    elif e2 >= 0:
                        pos = e2 + 4
                    else:
                        r.complete = False
                    break
                if len(buf) < e + 2 + n + 2:
                    r.complete = False
                    break
                body += buf[e + 2:e + 2 + n]
                pos = e + 2 + n + 2
            r.body = body
        elif cl:
            r.framing = "cl"
            if not cl[0].isdigit():
                return out, interim, "response CL %r" % cl[0], buf[pos:]
            n = int(cl[0])
            r.body = buf[pos:pos + n]
            if len(r.body) < n:
                r.complete = False
            pos += n
        else:
            r.framing = "close"
            r.body = buf[pos:]
            r.complete = eof
            pos = len(buf)
        out.append(r)
        if not r.complete:
            return out, interim, None, b""
    return out, interim, None, b""


# ------------------------------------------------------------------ websocket frames

WSKEY = base64.b64encode(b"0123456789abcdef")
WSACCEPT = base64.b64encode(hashlib.sha1(WSKEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
MASK = b"\x11\x22\x33\x44"


def frame(op, data=b"", fin=True, rsv=0, mask=True, lenform=None, declared=None):
    n = len(data) if declared is None else declared
    b0 = (0x80 if fin else 0) | (rsv << 4) | op
    m = 0x80 if mask else 0
    if lenform is None:
        lenform = 7 if n < 126 else 16 if n < 65536 else 64
    if lenform == 7:
        h = struct.pack("!BB", b0, m | n)
    elif lenform == 16:
        h = struct.pack("!BBH", b0, m | 126, n)
    else:
        h = struct.pack("!BBQ", b0, m | 127, n)
    if not mask:
        return h + data
    if data:
        k = (MASK * (len(data) // 4 + 1))[:len(data)]
        data = (int.from_bytes(data, "big") ^ int.from_bytes(k, "big")).to_bytes(len(data), "big")
    return h + MASK + data


def parse_frames(buf):
    """-> (list of (fin, op, payload), error)"""
    out, pos = [], 0
    while len(buf) - pos >= 2:
        b0, b1 = buf[pos], buf[pos + 1]
        if b1 & 0x80:
            return out, "server frame is masked (RFC 6455 5.1)"
        if b0 & 0x70:
            return out, "server set RSV bits without an extension (RFC 6455 5.2)"
        n, p = b1 & 0x7F, pos + 2
        if n == 126:
            if len(buf) < p + 2:
                break
            n, p = struct.unpack_from("!H", buf, p)[0], p + 2
        elif n == 127:
            if len(buf) < p + 8:
                break
            n, p = struct.unpack_from("!Q", buf, p)[0], p + 8
        if (b0 & 8) and n > 125:
            return out, "server control frame > 125 bytes"
        if len(buf) < p + n:
            break
        out.append((b0 >> 7, b0 & 15, bytes(buf[p:p + n])))
        pos = p + n
    return out, None


def messages(frames):
    """data messages as (op, payload), pongs, close code (None / 1005 / code)"""
    msgs, pongs, close, cur = [], [], None, None
    for fin, op, d in frames:
        if op in (1, 2):
            cur = [op, d]
        elif op == 0 and cur:
            cur[1] += d
        elif op == 10:
            pongs.append(d)
        elif op == 8:
            close = struct.unpack("!H", d[:2])[0] if len(d) >= 2 else 1005
        if op in (0, 1, 2) and fin and cur:
            msgs.append(tuple(cur))
            cur = None
    return msgs, pongs, close
