"""For all tests."""

from __future__ import annotations

import ctypes

_process = ctypes.CDLL(None)

if hasattr(_process, "__lsan_disable"):
    # orjson never frees its version string, and the stack of that allocation ends in CPython, which has no
    # frame pointers: a suppression by name can't match it.  So LeakSanitizer doesn't watch this import.
    _process.__lsan_disable()
    import orjson  # noqa: F401

    _process.__lsan_enable()
