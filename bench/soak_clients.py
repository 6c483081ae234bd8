#!/usr/bin/env python3
"""The clients of bench/soak: one process for each group of them.

    bench/soak_clients.py GROUP PORT TIMEOUTS

It heeds words on stdin, each a line: go, rest, end.  When all clients rest it says so; at the end it
prints, as JSON, what they counted, and the failures: when each exchange began, when it failed, and how.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
import socket
import struct
import sys
import time
import zlib

HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
PIECE = bytes(range(256)) * 64
BIG = random.Random(1).randbytes(6 << 20)


class Failed(Exception):
    """What a client got was wrong."""


class Stale(Exception):
    """An idle connection was closed when it was used again."""


def get(path, close=False):
    return b"GET " + path.encode() + HOST + (b"Connection: close\r\n" if close else b"") + b"\r\n"


def post(path, body, kind="application/octet-stream", close=False):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + (b"Connection: close\r\n" if close else b"") + b"\r\n" + body


def chunked(path, body, size):
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"POST " + path.encode() + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + data + b"0\r\n\r\n"


def form(body):
    text = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + body + b"\r\n--B--\r\n"
    return post("/upload", text, "multipart/form-data; boundary=B")


def told(body):
    return json.dumps({"size": len(body), "crc": zlib.crc32(body)}, separators=(",", ":")).encode()


ORDER = b'{"name":"chair","price":12.5,"tags":["a","b"]}'
ORDINARY = [  # request, status, body (None: any)
    (get("/"), 200, b'{"hello":"world"}'),
    (get("/items/42?q=chairs"), 200, b'{"item_id":42,"q":"chairs"}'),
    (get("/items/x"), 422, None),
    (get("/deps"), 200, b'{"got":"ad"}'),
    (post("/orders", ORDER, "application/json"), 200, ORDER),
    (post("/orders", b'{"name": ', "application/json"), 422, None),
    (get("/thread"), 200, b'{"thread":true}'),
    (get("/wait"), 200, b'{"waited":true}'),
    (get("/stream?pieces=4"), 200, PIECE * 4),
    (get("/stream-thread?pieces=2"), 200, PIECE * 2),
    (get("/big?pieces=3"), 200, PIECE * 3),
    (get("/background"), 200, b'{"later":true}'),
    (get("/nope"), 404, None),
    (chunked("/pieces", PIECE, 5000), 200, told(PIECE)),
]
LARGE = [
    (post("/body", BIG), 200, told(BIG)),
    (chunked("/pieces", BIG, 60000), 200, told(BIG)),
    (form(BIG[: 2 << 20]), 200, told(BIG[: 2 << 20])),
    (get("/stream?pieces=200"), 200, PIECE * 200),
    (get("/file"), 200, PIECE * 20),
    (post("/nope", BIG[: 1 << 20]), 404, None),
]


class Connection:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.rested = time.monotonic()  # the end of the exchange before
        self.used = False

    @classmethod
    async def open(cls, port, receive=0):
        sock = socket.socket()
        sock.setblocking(False)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        begin = time.monotonic()
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            self = cls(*await asyncio.open_connection(sock=sock, limit=receive or 65536))
        except BaseException:
            sock.close()
            raise
        self.rested = begin
        return self

    def close(self, reset=False):
        if reset and not self.writer.is_closing():
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        self.writer.close()

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def head(self):
        """Status and fields."""
        try:
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError as error:
            if self.used and not error.partial:
                raise Stale from None
            raise
        except ConnectionError:
            if self.used:
                raise Stale from None
            raise
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), fields

    async def answer(self, pause=0.0, size=65536):
        status, fields = await self.head()
        body = bytearray()
        if "content-length" in fields:
            length = int(fields["content-length"])
            while len(body) < length:
                await self.some(body, min(size, length - len(body)), pause)
        else:
            while length := int(await self.reader.readuntil(b"\r\n"), 16):
                end = len(body) + length
                while len(body) < end:
                    await self.some(body, min(size, end - len(body)), pause)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        self.used, self.rested = True, time.monotonic()
        return status, bytes(body), fields.get("connection") == "close"

    async def some(self, body, size, pause):
        piece = await self.reader.read(size)
        if not piece:
            raise EOFError(f"the end after {len(body)} bytes of a body")
        body += piece
        if pause:
            await asyncio.sleep(pause)


def check(case, status, body):
    if status != case[1] or (case[2] is not None and body != case[2]):
        raise Failed(f"{case[0][:40]!r} was answered {status}: {body[:120]!r}")


class Clients:
    def __init__(self, port, seed, timeouts):
        self.port, self.timeouts = port, timeouts
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.failures = []
        self.go = asyncio.Event()
        self.ending = False
        self.busy = 0

    async def loop(self, kind, pause):
        """One client: visits, one after the other, while there is a go."""
        state = {}
        await asyncio.sleep(self.random.random() * pause)
        while not self.ending:
            if not self.go.is_set():
                if "kept" in state:
                    state.pop("kept").close()
                await self.go.wait()
                continue
            self.busy += 1
            state["begin"] = time.monotonic()
            try:
                await asyncio.wait_for(getattr(self, kind)(state), 30)
            except Stale as error:
                state.pop("kept").close()
                if state["idle"] > self.timeouts["idle"] / 2:
                    self.counts[f"{kind}: closed while idle"] += 1
                else:
                    self.failures.append([state["begin"], time.monotonic(), f"{kind}: {error!r}"])
            except (TimeoutError, Failed, OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
                self.failures.append([state["begin"], time.monotonic(), f"{kind}: {error!r}"])
                for connection in (state.pop(name, None) for name in ("kept", "own")):
                    if connection:
                        connection.close(True)
            finally:
                self.busy -= 1
            await asyncio.sleep(pause * (0.5 + self.random.random()))
        if "kept" in state:
            state["kept"].close()

    async def own(self, state, receive=0):
        """A connection for this visit only."""
        state["own"] = connection = await Connection.open(self.port, receive)
        return connection

    async def whole(self, connection, case, **slow):
        status, body, last = await connection.answer(**slow)
        check(case, status, body)
        self.counts[f"answers {status // 100}xx"] += 1
        return last

    async def keep(self, state):
        case = self.random.choice(ORDINARY)
        connection = state.get("kept")
        if not connection:
            state["kept"] = connection = await Connection.open(self.port)
        state["begin"] = connection.rested
        state["idle"] = time.monotonic() - connection.rested
        with contextlib.suppress(ConnectionError):  # what came of it is seen when reading
            await connection.send(case[0])
        if await self.whole(connection, case):
            state.pop("kept").close()
            self.counts["keep: told to close"] += 1

    async def once(self, state):
        case = self.random.choice(ORDINARY)
        connection = await self.own(state)
        await connection.send(case[0].replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        if not await self.whole(connection, case):
            raise Failed("Connection: close was not heeded")
        connection.close()

    async def error(self, state):
        connection = await self.own(state)
        await connection.send(get("/error"))
        await self.whole(connection, (b"/error", 500, None))
        connection.close()

    async def large(self, state):
        case = self.random.choice(LARGE)
        connection = await self.own(state)
        with contextlib.suppress(ConnectionError):
            await connection.send(case[0])
        await self.whole(connection, case)
        connection.close()

    async def slow_head(self, state):
        connection = await self.own(state)
        request = get("/")
        for at in range(0, len(request), 3):
            await connection.send(request[at : at + 3])
            await asyncio.sleep(0.06)
        await self.whole(connection, (request, 200, b'{"hello":"world"}'))
        connection.close()

    async def slow_body(self, state):
        connection = await self.own(state)
        case = self.random.choice(
            [(post("/body", PIECE), 200, told(PIECE)), (chunked("/pieces", PIECE, 999), 200, told(PIECE))]
        )
        for at in range(0, len(case[0]), 1000):
            await connection.send(case[0][at : at + 1000])
            await asyncio.sleep(0.06)
        await self.whole(connection, case)
        connection.close()

    async def slow_reader(self, state):
        connection = await self.own(state, 8192)
        case = self.random.choice([c for c in LARGE if c[0].startswith(b"GET")])
        await connection.send(case[0])
        await self.whole(connection, case, pause=0.01 if len(case[2]) < 1 << 20 else 0.002, size=16384)
        connection.close()

    async def too_slow(self, state):
        """A head or a body that never ends: 408, and the end."""
        connection = await self.own(state)
        request = self.random.choice([get("/")[:-2], post("/body", PIECE)[:-100], chunked("/pieces", PIECE, 999)[:-50]])
        await connection.send(request)
        await self.whole(connection, (request, 408, None))
        if await connection.reader.read():
            raise Failed("more after a 408")
        connection.close()

    async def never_reads(self, state):
        """The server has to let go of it; what it sends until then is cut off."""
        connection = await self.own(state, 4096)
        await connection.send(get(self.random.choice(["/stream?pieces=500", "/big?pieces=500"])))
        await asyncio.sleep(self.timeouts["write"] + 2)
        size = 0
        with contextlib.suppress(ConnectionError):
            while piece := await connection.reader.read(65536):
                size += len(piece)
        if size >= 500 * len(PIECE):
            raise Failed("all was sent to a client that did not read")
        self.counts["let go of"] += 1
        connection.close()

    async def leave(self, state):
        """Goes after some bytes of a request, or of its answer."""
        rnd = self.random
        data = (
            b"".join(rnd.choice(ORDINARY)[0] for _ in range(rnd.choice((1, 1, 3))))
            if rnd.random() < 0.8
            else rnd.choice(LARGE)[0]
        )
        connection = await self.own(state)
        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            await connection.send(data[: rnd.randrange(len(data) + 1)] if rnd.random() < 0.5 else data)
            if rnd.random() < 0.2:
                connection.writer.write_eof()
            if rnd.random() < 0.6:
                await asyncio.wait_for(connection.reader.read(rnd.choice((1, 100, 65536))), rnd.random() * 0.1)
        connection.close(rnd.random() < 0.5)
        self.counts["left"] += 1

    async def websocket(self, state):
        rnd = self.random
        connection = await self.own(state)
        await connection.send(
            b"GET /ws" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        if (await connection.head())[0] != 101:
            raise Failed("a WebSocket was refused")
        told = False
        for _ in range(rnd.choice((1, 5, 40))):
            sent = rnd.randbytes(rnd.choice((0, 10, 1000, 70000)))
            await connection.send(frame(2, sent))
            opcode, payload = await receive(connection)
            if opcode == 8 and payload[:2] == b"\x03\xf4":  # 1012: its worker retires
                self.counts["WebSockets told to go"] += 1
                told = True
                break
            if (opcode, payload) != (2, sent):
                raise Failed(f"an echo of {len(sent)} bytes was {opcode}, {len(payload)} bytes")
            self.counts["WebSocket messages"] += 1
            await asyncio.sleep(rnd.choice((0, 0.02, 0.2)))
        if rnd.random() < 0.6:
            with contextlib.suppress(ConnectionError):
                await connection.send(frame(8, b"\x03\xe8"))
                while not told and (await receive(connection))[0] != 8:
                    pass
        connection.close(rnd.random() < 0.5)
        self.counts["WebSockets"] += 1


def frame(opcode, payload):
    length = len(payload)
    head = bytes([0x80 | opcode])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += struct.pack("!BH", 0x80 | 126, length)
    else:
        head += struct.pack("!BQ", 0x80 | 127, length)
    return head + bytes(4) + payload  # a mask of zeros


async def receive(connection):
    """The next frame that is no ping."""
    while True:
        first, length = await connection.reader.readexactly(2)
        if length > 125:
            size = 2 if length == 126 else 8
            length = int.from_bytes(await connection.reader.readexactly(size), "big")
        payload = await connection.reader.readexactly(length)
        if first & 15 == 9:
            await connection.send(frame(10, payload))
        else:
            return first & 15, payload


KINDS = {  # how many clients, seconds between visits
    "ordinary": {"keep": (6, 0.03), "once": (6, 0.06), "error": (1, 2.0)},
    "awkward": {
        "large": (2, 0.5),
        "slow_head": (2, 0.1),
        "slow_body": (2, 0.1),
        "slow_reader": (2, 0.2),
        "too_slow": (2, 0.5),
        "never_reads": (1, 1.0),
        "leave": (4, 0.02),
        "websocket": (3, 0.1),
    },
    "light": {"keep": (2, 0.1), "once": (2, 0.1)},
}


async def client(kinds, port, timeouts):
    clients = Clients(port, kinds, timeouts)
    loops = [
        asyncio.ensure_future(clients.loop(kind, pause))
        for kind, (number, pause) in KINDS[kinds].items()
        for _ in range(number)
    ]
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    while word := (await words.readline()).strip():
        if word == b"go":
            clients.go.set()
            continue
        clients.go.clear()
        while clients.busy:
            await asyncio.sleep(0.02)
        if word == b"end":
            clients.ending = True
            clients.go.set()
            await asyncio.gather(*loops)
            print(json.dumps([clients.counts, clients.failures]), flush=True)
        else:
            await asyncio.sleep(0.1)
            print("rests", flush=True)


if __name__ == "__main__":
    asyncio.run(client(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
