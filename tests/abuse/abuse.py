#!/usr/bin/env python3
"""Sends the cases of abuse_cases.py to a server on the loopback; the standard library is enough.

usage: abuse.py HOST:PORT [--topic T] [--only SUBSTR] [--level MUST|SHOULD|ROBUST]
                    [--pid PID] [--json FILE] [-v] [--list] [--slow SECONDS] [--patience SECONDS]

Each case cites the RFC section it comes from.  After every case a plain GET / on a fresh connection
must answer 200, so a case that kills or wedges a worker fails even when its own answer was right.
With --pid, a case that runs alone may use no more of the processor than its time allows.
README.md tells what application and limits the target has to have.
"""
import argparse
import asyncio
import json
import os
import socket
import struct
import sys
import time

from abuse_cases import CASES, ROBUST, Case, build
from abuse_wire import messages, parse_frames, parse_responses

# ------------------------------------------------------------------ running


PATIENCE = 3.0            # seconds within which a server that is well answers


class Conn:
    def __init__(self, host, port, patience):
        self.host, self.port, self.patience = host, port, patience
        self.buf = bytearray()
        self.eof = False
        self.reset = False
        self.ev = asyncio.Event()
        self.sent_error = None
        self.extra = []

    async def open(self):
        self.r, self.w = await asyncio.wait_for(asyncio.open_connection(self.host, self.port, limit=1 << 20), self.patience)
        self.w.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.task = asyncio.ensure_future(self._read())

    async def _read(self):
        try:
            while True:
                d = await self.r.read(1 << 18)
                if not d:
                    break
                self.buf += d
                self.ev.set()
        except (ConnectionError, OSError):
            self.reset = True
        self.eof = True
        self.ev.set()

    async def wait_ev(self, t):
        self.ev.clear()
        if self.eof:
            return
        try:
            await asyncio.wait_for(self.ev.wait(), max(t, 0.001))
        except asyncio.TimeoutError:
            pass

    async def send(self, data):
        try:
            self.w.write(data)
            await self.w.drain()
        except (ConnectionError, OSError) as e:
            self.sent_error = e
            return False
        return True

    def abort(self):
        s = self.w.get_extra_info("socket")
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.w.transport.abort()

    def close(self):
        for s in self.extra:
            try:
                s.close()
            except OSError:
                pass
        try:
            self.w.close()
        except Exception:
            pass
        self.task.cancel()


async def alive(host, port, t=PATIENCE):
    c = Conn(host, port, t)
    try:
        await c.open()
        await c.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        end = time.monotonic() + t
        while time.monotonic() < end:
            rs = parse_responses(bytes(c.buf), c.eof)[0]
            if rs and rs[0].complete:
                return rs[0].status == 200
            if c.eof:
                return False
            await c.wait_ev(end - time.monotonic())
        return False
    except (OSError, asyncio.TimeoutError):
        return False
    finally:
        if hasattr(c, "task"):
            c.close()


def herd(c, n, data):
    for _ in range(n):
        s = socket.create_connection((c.host, c.port), 2)
        s.sendall(data)
        c.extra.append(s)


def churn(c, n):
    for _ in range(n):
        s = socket.create_connection((c.host, c.port), 2)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


def noread(c, n):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(1)
    s.connect((c.host, c.port))
    body = b"x" * 4000
    req = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n" + body
    try:
        for _ in range(n):
            s.sendall(req)
    except OSError:
        pass
    c.extra.append(s)


async def run_case(case, host, port, patience):
    exp = case.exp
    heads = exp.get("heads", ())
    nmin, nmax = exp.get("n", (1, 1))
    if "sts" in exp and "n" not in exp:
        nmin = nmax = len(exp["sts"])
    deadline = time.monotonic() + max(exp.get("within", PATIENCE), patience)
    wsx = exp.get("ws")
    c = Conn(host, port, patience)
    try:
        await c.open()
    except (OSError, asyncio.TimeoutError) as e:
        return "connect failed: %r" % e
    try:
        aborted = False
        wrote_ws = False
        for s in case.steps:
            if isinstance(s, bytes):
                if not await c.send(s):
                    break
            elif isinstance(s, (int, float)):
                end = time.monotonic() + s
                while not c.eof and time.monotonic() < end:
                    await c.wait_ev(end - time.monotonic())
                if c.eof:
                    break
            elif s[0] == "shut":
                try:
                    c.w.write_eof()
                except OSError:
                    pass
            elif s[0] == "rst":
                await asyncio.sleep(0.02)
                c.abort()
                aborted = True
            elif s[0] == "wait":
                while not c.eof and time.monotonic() < deadline:
                    rs = parse_responses(bytes(c.buf), c.eof, heads)[0]
                    if len(rs) >= s[1] and rs[s[1] - 1].complete:
                        break
                    await c.wait_ev(deadline - time.monotonic())
            elif s[0] == "interim":
                while not c.eof and time.monotonic() < deadline and not any(parse_responses(bytes(c.buf), c.eof, heads)[:2]):
                    await c.wait_ev(deadline - time.monotonic())
            elif s[0] == "ifpmd":
                rs = parse_responses(bytes(c.buf), c.eof, heads)[0]
                if rs and "permessage-deflate" in (rs[0].get("sec-websocket-extensions") or ""):
                    wrote_ws = True
                    await c.send(s[1])
            else:
                fn = {"herd": herd, "churn": churn, "noread": noread}[s[0]]
                await asyncio.get_running_loop().run_in_executor(None, fn, c, *s[1:])
        if aborted:
            return None
        # collect
        settle = None
        while time.monotonic() < deadline:
            now = time.monotonic()
            if c.eof:
                break
            raw = bytes(c.buf)
            if settle is None:
                done = False
                if wsx is not None:
                    rs, _, err, rest = parse_responses(raw, c.eof, heads)
                    if rs and rs[0].status == 101:
                        fr, ferr = parse_frames(rest)
                        m, p, cl = messages(fr)
                        if ferr:
                            done = True
                        elif wsx.get("pmd"):
                            done = not wrote_ws or cl is not None
                        elif "close" in wsx:
                            done = cl is not None and not wsx.get("eof")
                        elif wsx.get("anyof"):
                            done = bool(m) or cl is not None
                        else:
                            done = len(m) >= len(wsx.get("msgs", [])) and len(p) >= max(len(wsx.get("pongs", [])), wsx.get("minpongs", 0))
                    elif rs:
                        done = True
                elif exp.get("closed") is not True or nmin == 0:
                    rs = parse_responses(raw, c.eof, heads)[0]
                    comp = [x for x in rs if x.complete]
                    if len(comp) >= nmax or (comp and exp.get("none_ok") and exp.get("closed") is None) or (len(comp) >= max(nmin, 1) and nmin < nmax):
                        done = exp.get("closed") is not True
                if done:
                    settle = now + 0.25
            elif now >= settle:
                break
            await c.wait_ev((settle or deadline) - now)
        return judge(case, bytes(c.buf), c.eof, heads, nmin, nmax, wrote_ws)
    finally:
        c.close()


def judge(case, raw, eof, heads, nmin, nmax, wrote_ws):
    exp = case.exp
    if exp.get("raw_ok") and exp["raw_ok"](raw):
        return None
    rs, interim, err, rest = parse_responses(raw, eof, heads)
    if err:
        return "malformed response: " + err
    if rs and not rs[-1].complete:
        return "truncated response (status %d)" % rs[-1].status
    if rest and not (rs and rs[-1].status == 101):
        return "trailing bytes %r" % rest[:40]
    got = "/".join(str(r.status) for r in rs[:6]) or ("closed" if eof else "no answer")
    if exp.get("none_ok") and not rs:
        if not eof and not exp.get("wait_ok"):
            return "neither answered nor closed"
        if exp.get("closed") is False:
            return "closed"
        return None
    if not nmin <= len(rs) <= nmax:
        return "%d responses (want %s): %s" % (len(rs), nmin if nmin == nmax else "%d-%d" % (nmin, nmax), got)
    if "st" in exp and rs and rs[0].status not in exp["st"]:
        w = sorted(exp["st"])
        return "status %s (want %s)" % (got, "4xx/501/505" if len(w) > 50 else w)
    for k, want in enumerate(exp.get("sts", ())):
        if rs[k].status not in want:
            return "response %d is %d (want %s); all: %s" % (k + 1, rs[k].status, sorted(want), got)
    if "body" in exp and rs and rs[0].status == 200 and rs[0].body != exp["body"]:
        return "body %r (want %r)" % (rs[0].body[:40], exp["body"][:40])
    for k, b in enumerate(exp.get("bodies", ())):
        if b is not None and rs[k].body != b:
            return "body %d is %r" % (k + 1, rs[k].body[:40])
    if "has" in exp and exp["has"] not in raw.replace(b": ", b":"):
        return "output lacks %r" % exp["has"]
    if "no" in exp and exp["no"] in raw.replace(b": ", b":"):
        return "output contains %r (smuggled/leaked)" % exp["no"]
    if exp.get("chk") and rs:
        m = exp["chk"](rs, interim, raw)
        if m:
            return m
    if "ws" in exp:
        w = exp["ws"]
        fr, ferr = parse_frames(rest)
        if w.get("nohttp") and b"HTTP/1." in rest:
            return "answered HTTP on an upgraded connection"
        if ferr:
            return ferr
        m, p, cl = messages(fr)
        if w.get("pmd"):
            if not wrote_ws:
                return None
            return None if cl in w["close"] or (cl is None and eof) else "bomb: close=%r msgs=%d" % (cl, len(m))
        if w.get("anyof"):
            return None if (m or cl is not None or eof) else "no reaction"
        if "msgs" in w and m != w["msgs"]:
            return "messages %r" % [(o, d[:20]) for o, d in m[:4]]
        if "pongs" in w and p != w["pongs"]:
            return "pongs %r" % [d[:20] for d in p[:4]]
        if w.get("minpongs", 0) > len(p):
            return "only %d pongs" % len(p)
        if "close" in w:
            if cl is None and not eof:
                return "not closed (msgs %r)" % [(o, d[:20]) for o, d in m[:2]]
            if cl is not None and cl not in w["close"]:
                return "close code %d (want %s)" % (cl, sorted(w["close"]))
            if cl is None and w.get("eof"):
                return "no close frame"
            if w.get("eof") and not eof:
                return "TCP not closed by server after the close handshake"
        return None
    if exp.get("closed") is True and not eof:
        return "connection left open (%s)" % got
    if exp.get("closed") is False and eof:
        return "connection closed (%s)" % got
    return None


def proc_tree(pid):
    kids, out = {}, []
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                with open("/proc/%s/stat" % p) as f:
                    kids.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(p))
            except OSError:
                pass
    todo = [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        todo += kids.get(p, [])
    return out


def usage(pid):
    rss = fds = 0
    pids = proc_tree(pid)
    for p in pids:
        try:
            with open("/proc/%d/statm" % p) as f:
                rss += int(f.read().split()[1]) * 4096
            fds += len(os.listdir("/proc/%d/fd" % p))
        except OSError:
            pass
    return rss, fds, tuple(sorted(pids))


def processor(pid):
    """Seconds of it that these processes have used so far."""
    ticks = 0
    for p in proc_tree(pid):
        try:
            with open("/proc/%d/stat" % p) as f:
                ticks += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


PROCESS = ("no fd leak over the run", "no worker died over the run", "RSS grew by less than 64 MiB per process")


async def run_all(cases, host, port, pid=None, told=None, rss=True, patience=PATIENCE):
    """-> [(case, None or what is wrong)], told(case, wrong) after each.

    pid, the master, adds a topic: what the run did to the processes (rss=False: not their memory).
    It also bounds what a case costs of the processor, however patient the clock is.
    """
    before = usage(pid) if pid else None
    results = []
    sem = asyncio.Semaphore(4)

    def done(c, m):
        results.append((c, m))
        if told:
            told(c, m)

    async def one(c):
        try:
            m = await run_case(c, host, port, patience)
        except Exception as e:  # a bug in a case must not stop the run
            m = "runner: %r" % e
        if not await alive(host, port, patience):
            await asyncio.sleep(1.0)
            m = (m + "; " if m else "") + ("server not answering afterwards" if not await alive(host, port, patience) else "server stalled > %g s afterwards" % patience)
        return m

    async def guarded(c):
        async with sem:
            done(c, await one(c))

    async def alone(c):
        used = -processor(pid) if pid else 0
        m = await one(c)
        used += processor(pid) if pid else 0
        if not m and used > c.exp.get("within", PATIENCE):
            m = "took %.2f s of the processor" % used
        done(c, m)

    async def aside(c):
        done(c, await one(c))

    await asyncio.gather(*(guarded(c) for c in cases if not c.exp.get("solo") and c.topic != "timeouts"))
    for c in cases:
        if c.exp.get("solo"):
            await alone(c)
    await asyncio.gather(*(aside(c) for c in cases if c.topic == "timeouts"))
    order = {id(c): k for k, c in enumerate(cases)}
    results.sort(key=lambda x: order[id(x[0])])
    if pid:
        # What the last cases left open has its time limits; a descriptor that is just being closed is no leak.
        await asyncio.sleep(6)
        end = time.monotonic() + patience
        while (after := usage(pid))[1] > before[1] + 4 and time.monotonic() < end:
            await asyncio.sleep(0.1)
        print("rss %.1f -> %.1f MiB, fds %d -> %d, processes %s" % (before[0] / 2**20, after[0] / 2**20, before[1], after[1], "same" if before[2] == after[2] else "CHANGED %s -> %s" % (before[2], after[2])))
        bad = {PROCESS[0]: after[1] > before[1] + 4 and "fds %d -> %d" % (before[1], after[1]),
               PROCESS[1]: before[2] != after[2] and "pids changed",
               PROCESS[2]: rss and after[0] > before[0] + (64 << 20) * len(after[2]) and "rss grew %.1f MiB" % ((after[0] - before[0]) / 2**20)}
        for nm in PROCESS:
            done(Case("process", nm, "-", ROBUST, [], {}), bad[nm] or None)
    return results


async def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("target")
    ap.add_argument("--topic")
    ap.add_argument("--only")
    ap.add_argument("--level")
    ap.add_argument("--json")
    ap.add_argument("--pid", type=int)
    ap.add_argument("--slow", type=float, default=10.0, help="seconds within which stalled peers must be cut off")
    ap.add_argument("--patience", type=float, default=PATIENCE, help="seconds within which anybody else must be answered")
    ap.add_argument("--list", action="store_true")
    ap.add_argument("-v", action="store_true")
    a = ap.parse_args()
    build(a.slow)
    names = [(c.topic, c.name) for c in CASES]
    assert len(set(names)) == len(names), "duplicate case names"
    cases = [c for c in CASES if (not a.topic or c.topic in a.topic.split(",")) and (not a.only or a.only in c.name) and (not a.level or c.level == a.level)]
    if a.list:
        for c in cases:
            print("%-18s %-6s RFC %-16s %s" % (c.topic, c.level, c.rfc, c.name))
        print(len(cases), "cases")
        return 0
    host, port = a.target.rsplit(":", 1)
    if host not in ("127.0.0.1", "localhost", "[::1]", "::1"):
        print("loopback targets only")
        return 2
    host, port = host.strip("[]"), int(port)
    if not await alive(host, port):
        print("no answer from", a.target)
        return 2
    t0 = time.monotonic()

    def told(c, m):
        if a.v or m:
            print("%s %-18s %-6s [%s] %s%s" % ("FAIL" if m else "ok  ", c.topic, c.level, c.rfc, c.name, ": " + m if m else ""), flush=True)

    results = await run_all(cases, host, port, a.pid, told, patience=a.patience)
    topics = {}
    levels = {}
    for c, m in results:
        for d, k in ((topics, c.topic), (levels, c.level)):
            t = d.setdefault(k, [0, 0])
            t[1 if m else 0] += 1
    print("\n%-20s %6s %6s" % ("topic", "passed", "failed"))
    for k, (p, f) in topics.items():
        print("%-20s %6d %6d" % (k, p, f))
    print("-- by level: " + ", ".join("%s %d/%d" % (k, p, p + f) for k, (p, f) in levels.items()))
    print("%.1f s" % (time.monotonic() - t0))
    npass = sum(1 for _, m in results if not m)
    print("%d passed, %d failed" % (npass, len(results) - npass))
    if a.json:
        with open(a.json, "w") as f:
            json.dump([{"topic": c.topic, "name": c.name, "rfc": c.rfc, "level": c.level, "ok": not m, "why": m} for c, m in results], f, indent=1)
    return 0 if npass == len(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
