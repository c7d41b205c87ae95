"""An encoder whose texts a language model of sentence-transformers reads too (LLM2CLIP, arXiv 2411.04997).

CLIP's own text tower has learned from short captions what is to be seen; a sentence model has learned from
much more text what means the same. Both vectors of a text lie side by side, and a picture's has zeros where a
text's has the sentence model's: so words find pictures in the same order as without it, and captions by what
both models make of them. What a gallery's captions teach (`crosslight train reencoder`) reads both halves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

from engine.encoders import Encoder
from engine.types import Encoded, Floats

SHARE = 0.5  # of the sentence model in the likeness of two texts


class RereadEncoder:
    """`base` reads pictures and texts, `reader` texts; tokens are those of `base`."""

    def __init__(self, base: Encoder, reader: Encoder) -> None:
        self._base, self._reader = base, reader
        self.name = f"{base.name}+{reader.name}"
        self.dim = base.dim + reader.dim
        self.stamp = hashlib.blake2b(f"{base.stamp} {reader.stamp}".encode(), digest_size=16).hexdigest()
        self.text_limit = base.text_limit

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        """Encode texts; what is past the sentence model's own limit, only `base` reads."""
        own, reread = self._base.encode_text(texts), self._reader.encode_text(texts)
        vectors = np.hstack([(1 - SHARE) ** 0.5 * own.vectors, SHARE**0.5 * reread.vectors])
        return Encoded(vectors.astype(np.float32), own.tokens, own.lengths)

    def encode_image(self, images: Sequence[Image]) -> Encoded:
        """Encode pictures as `base` does, with zeros beside."""
        own = self._base.encode_image(images)
        nothing: Floats = np.zeros((len(images), self._reader.dim), np.float32)
        return Encoded(np.hstack([own.vectors, nothing]), own.tokens, own.lengths)

    def count_tokens(self, text: str) -> int:
        """Count the tokens that `base` reads of a text."""
        return self._base.count_tokens(text)

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        """List the words of a text, each with the tokens of `base` it covers."""
        return self._base.word_spans(text)
