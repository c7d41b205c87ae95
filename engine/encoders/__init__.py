"""Encoder: the protocol every model adapter follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PIL.Image import Image

from engine.types import Encoded


class Encoder(Protocol):
    """Turns texts and pictures into unit vectors of one joint space.

    `stamp` changes whenever the same picture could give another vector (weights, preprocessing),
    so a gallery can tell whether a model is the one that made it. Models that read different languages
    into one space share a stamp. `text_limit` counts tokens.
    """

    name: str
    dim: int
    stamp: str
    text_limit: int

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        """Encode texts; one longer than `text_limit` tokens is cut to it."""
        ...

    def encode_image(self, images: Sequence[Image]) -> Encoded:
        """Encode upright RGB pictures of any size."""
        ...

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, uncut."""
        ...

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        """List the words of a text with the tokens each covers (word, start, stop), where it has tokens."""
        ...
