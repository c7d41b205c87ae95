"""Where a model runs when nobody says."""

from __future__ import annotations

import ctypes
from contextlib import suppress

DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")  # a GPU that torch can use needs one of them


def default_device() -> str:
    """Name a GPU if there is one, else the CPU; torch, which loads for seconds, is asked where one may be."""
    if not any(map(_is_there, DRIVERS)):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _is_there(library: str) -> bool:
    with suppress(OSError):
        return bool(ctypes.CDLL(library))
    return False
