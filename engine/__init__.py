"""Crosslight's engine: search pictures with words and words with pictures, in a library.

Names are loaded when first used, so importing the package costs neither torch nor FAISS.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.errors import (
    BadInput,
    BadPicture,
    EngineError,
    GalleryBusy,
    GalleryMismatch,
    ItemNotFound,
    ModelUnavailable,
    StorageFailed,
)
from engine.types import (
    Alike,
    Budget,
    Explanation,
    Hit,
    Item,
    LabeledRegion,
    Outcome,
    Part,
    Query,
    Region,
    Report,
    Result,
    WordMap,
)

if TYPE_CHECKING:
    from engine.search import SearchEngine

__version__ = "0.1.0"
__all__ = [
    "Alike",
    "BadInput",
    "BadPicture",
    "Budget",
    "EngineError",
    "Explanation",
    "GalleryBusy",
    "GalleryMismatch",
    "Hit",
    "Item",
    "ItemNotFound",
    "LabeledRegion",
    "ModelUnavailable",
    "Outcome",
    "Part",
    "Query",
    "Region",
    "Report",
    "Result",
    "SearchEngine",
    "StorageFailed",
    "WordMap",
]


def __getattr__(name: str) -> Any:
    if name == "SearchEngine":
        return import_module("engine.search").SearchEngine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
