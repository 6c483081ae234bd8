"""Who is compared with whom."""

from __future__ import annotations

from dataclasses import dataclass

from client import Client


@dataclass
class Pair:
    """Both sides of the comparison, with one application each."""

    peer: Client
    subject: Client
