"""Opening a gallery for the commands that only read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine import SearchEngine


def open_to_read(
    gallery: Path, device: str | None = None, model: str | None = None, reranker: str | None = None
) -> SearchEngine:
    """Open a gallery that is there.

    One made by an older version is brought up to date on the way, except where it may not be written.
    """
    from engine import SearchEngine

    read_only = not os.access(gallery, os.W_OK)
    return SearchEngine.open(
        gallery, model=model, device=device, reranker=reranker, read_only=read_only, create=False
    )
