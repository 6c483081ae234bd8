"""For all tests."""

from __future__ import annotations

import ctypes
import os

if "ASAN_OPTIONS" in os.environ:
    # orjson never frees its version string, and the stack of that allocation ends in CPython, which has no
    # frame pointers: a suppression by name can't match it.  So LeakSanitizer doesn't watch this import.
    _sanitizer = ctypes.CDLL(None)
    _sanitizer.__lsan_disable()
    import orjson  # noqa: F401

    _sanitizer.__lsan_enable()
