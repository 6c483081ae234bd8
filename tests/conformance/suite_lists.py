"""The lists beside this file: one entry a line, "entry  # reason"."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Why a test is none of those over a socket.
ASKS_NOBODY = "asks no daemon"
NOT_IN_A_MODULE = "its application stands in no module"


def entries(name: str) -> list[str]:
    lines = (HERE / name).read_text().splitlines()
    return [line.partition("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def file_of(test: str) -> str:
    return test.partition("::")[0]


def covers(listed: Collection[str], test: str) -> bool:
    """Whether the list has the test, its function, its file or a folder of its."""
    if test in listed or test.partition("[")[0] in listed or file_of(test) in listed:
        return True
    return any(entry.endswith("/") and test.startswith(entry) for entry in listed)


class Topics:
    def __init__(self) -> None:
        pairs = (line.partition(": ") for line in entries("topics.txt"))
        self._patterns = [(topic, re.compile(pattern)) for topic, _, pattern in pairs]

    def of(self, file: str) -> str:
        return next((topic for topic, pattern in self._patterns if pattern.search(file)), "misc")
