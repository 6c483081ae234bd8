"""When two answers are the same, and how to show that they are not."""

from __future__ import annotations

import difflib
from dataclasses import replace

from client import Answer, Request

# The server's own business: the clock, its name, and how it frames a message.
IGNORED = {b"date", b"server", b"connection", b"keep-alive", b"transfer-encoding"}


def without_boundary(answer: Answer) -> Answer:
    """The boundary of a multipart answer is drawn at random: give it a fixed name."""
    kind = b"".join(answer.get(b"content-type"))
    if not kind.startswith(b"multipart/byteranges; boundary="):
        return answer
    boundary = kind.partition(b"=")[2]
    headers = [(name, value.replace(boundary, b"BOUNDARY")) for name, value in answer.headers]
    return replace(answer, headers=headers, body=answer.body.replace(boundary, b"BOUNDARY"))


def headers_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The headers that must be equal: order counts only within one name."""
    kept = []
    for name, value in answer.headers:
        name = name.lower()
        if name in IGNORED:
            continue
        if name == b"allow":
            value = b", ".join(sorted(part.strip() for part in value.split(b",")))
        kept.append((name, value))
    return sorted(kept, key=lambda header: header[0])


def lines_of(answer: Answer) -> list[str]:
    """An answer as text, one fact a line; the body escaped, in pieces of 100 bytes."""
    lines = [f"status {answer.status}"]
    lines += [f"{name!r}: {value!r}" for name, value in headers_of(answer)]
    lines += [f"body {answer.body[at : at + 100]!r}" for at in range(0, len(answer.body), 100)]
    return lines


def same(peer: Answer, subject: Answer) -> bool:
    peer, subject = without_boundary(peer), without_boundary(subject)
    return (
        peer.status == subject.status
        and peer.body == subject.body
        and headers_of(peer) == headers_of(subject)
    )


def explain(name: str, request: Request, peer: Answer, subject: Answer) -> str:
    """The text of a failure: the case, both answers whole, and their difference."""
    peer, subject = without_boundary(peer), without_boundary(subject)
    diff = difflib.unified_diff(lines_of(peer), lines_of(subject), "peer", "subject", lineterm="", n=1)
    parts = [f"case {name}", "request:", "  " + repr(request.wire()[:2000]), "peer:"]
    parts += ["  " + line for line in lines_of(peer)]
    parts += ["subject:"]
    parts += ["  " + line for line in lines_of(subject)]
    parts += ["difference:"]
    parts += ["  " + line for line in diff]
    return "\n".join(parts)
