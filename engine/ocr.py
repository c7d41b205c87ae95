"""Text in pictures, read by RapidOCR (an optional extra): PP-OCR models that come in its wheel; no network.

What it reads is data: it is stored apart from people's words, and marked as read by a machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL.Image import Image

from engine.errors import ModelUnavailable

SURE = 0.5  # lines that the recognizer is less sure of are left out
SMALLEST = 16  # pixels of a side; nothing can be written on less


def read_text(images: Sequence[Image]) -> list[str]:
    """Read the text in upright RGB pictures, a line each as it stands there, "" where there is none.

    Raises `ModelUnavailable` where the extra is not installed.
    """
    reader = load_reader()
    return [_lines(reader, image) for image in images]


@cache
def load_reader() -> Any:
    """Load RapidOCR once; raises `ModelUnavailable` where it is not installed."""
    try:
        from rapidocr import RapidOCR
    except ImportError:
        raise ModelUnavailable(
            "reading text in pictures needs RapidOCR; install it with: pip install 'crosslight[ocr]'"
        ) from None
    return RapidOCR(params={"Global.log_level": "critical"})


def _lines(reader: Any, image: Image) -> str:
    if min(image.size) < SMALLEST:
        return ""
    found = reader(np.asarray(image)[:, :, ::-1])  # it takes BGR
    lines = zip(found.txts or (), found.scores or (), strict=True)
    return "\n".join(line for line, score in lines if score >= SURE and any(map(str.isalnum, line)))
