"""A stand-in encoder without weights, for tests and for trying the service: it sees only color.

A picture is its mean color; a color word is the same point, so "red" truly finds the red picture.
Every other word is hashed into spare dimensions, so texts are told apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor

from engine.types import Encoded, Floats

SPARE = 29


class ColorEncoder:
    """Three dimensions of color around mid-gray, and 29 of hashed words."""

    name = "color"
    dim = 3 + SPARE
    stamp = "color-1"
    text_limit = 64

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        return Encoded(np.stack([_text_vector(text.lower().split()[: self.text_limit]) for text in texts]))

    def encode_image(self, images: Sequence[Image.Image]) -> Encoded:
        vectors = np.zeros((len(images), self.dim), dtype=np.float32)
        for vector, image in zip(vectors, images, strict=True):
            vector[:3] = _centered(np.asarray(image.resize((1, 1), Image.Resampling.BOX))[0, 0])
        return Encoded(_unit(vectors))

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        return []


def _text_vector(words: Sequence[str]) -> Floats:
    vector = np.zeros((1, ColorEncoder.dim), dtype=np.float32)
    for word in words:
        if word in ImageColor.colormap:
            vector[0, :3] += _centered(np.array(ImageColor.getrgb(word), dtype=np.uint8))
        else:
            place = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % SPARE
            vector[0, 3 + place] += 0.3
    row: Floats = _unit(vector)[0]
    return row


def _centered(rgb: npt.NDArray[np.uint8]) -> Floats:
    return (rgb.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)


def _unit(vectors: Floats) -> Floats:
    vectors[:, 0] += 1e-6  # mid-gray has a direction too
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
