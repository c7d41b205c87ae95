"""Memory that was freed, and is kept by the C library for who asks next."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Give it back to the system, where that can be (glibc): what built an index is more than what stays."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
