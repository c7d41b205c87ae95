"""The words a teller reads and writes: how a sentence becomes words, and words become numbers.

A word is known by two vectors: what it means, the mean of its pieces' embeddings in the text tower, and
what it
looks like, its own token in the space of picture tokens. Any word has both, so a question may
have words that the model never writes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from engine.types import Encoded, Floats

MEANING, LOOK = 384, 128  # numbers of what a word means, and of what it looks like
LONGEST = 24  # words of a sentence, or of a question
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]+")
SAME = {"grey": "gray", "colour": "color", "colours": "colors", "coloured": "colored"}


class WordReader(Protocol):
    """What is asked of an encoder for its words."""

    def encode_text(self, texts: Sequence[str]) -> Encoded: ...

    def word_inputs(self, words: Sequence[str]) -> Floats: ...


def split(text: str) -> list[str]:
    """Split a sentence into words, in small letters and one spelling."""
    return [SAME.get(word, word) for word in WORD.findall(text.casefold().replace("\u2019", "'"))]


def meanings(reader: WordReader, words: Sequence[str]) -> Floats:
    """Return what words mean: (n, 384), of length 1."""
    return _unit(reader.word_inputs(words))


def looks(reader: WordReader, words: Sequence[str]) -> Floats:
    """Return what words look like: (n, 128), of length 1, as the tokens of pictures are."""
    encoded = reader.encode_text(words)
    assert encoded.tokens is not None
    return _unit(encoded.tokens.astype(np.float32).sum(1))  # past its length a text's tokens are zeros


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = (rows / np.maximum(lengths, 1e-6)).astype(np.float32)
    return unit
