"""Telling: what a picture shows, in a sentence, and answers to questions on it.

A model that tells is opened by a key, as encoders are; `mini` is bundled and reads the tokens that the
encoder of that name makes. Every key stands in `engine/telling/table.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from PIL.Image import Image

from engine.telling.table import (
    DEFAULT,
    TellerInfo,
    chosen_captioner,
    list_tellers,
    open_answerer,
    open_captioner,
)
from engine.types import Floats, Tokens

__all__ = [
    "DEFAULT",
    "MAX_QUESTION",
    "Answer",
    "Answerer",
    "Caption",
    "Captioner",
    "TellerInfo",
    "TokenCaptioner",
    "chosen_captioner",
    "list_tellers",
    "open_answerer",
    "open_captioner",
]
MAX_QUESTION = 400  # characters


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence on a picture, written by a machine.

    `probability` is the model's own, a word: the geometric mean over the words of the sentence. It orders
    sentences, and is not calibrated; `None` where a model gives none.
    """

    text: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a question on a picture.

    `probability` says how likely the answer is right, and `sure` whether that is enough; an answer that
    is not sure is still the best there is. `kind` is what was asked for: "yes/no", "count", "color",
    "where", "what", or "other" where a model does not tell them apart. `alternatives` are further
    answers with their probabilities, best first. `heat_map` is (rows, columns) float32 over
    the whole picture, top row first, adding up to 1: where the model looked (`None`: it cannot tell).
    """

    text: str
    probability: float
    sure: bool
    kind: str = "other"
    alternatives: tuple[tuple[str, float], ...] = ()
    heat_map: Floats | None = None


class Captioner(Protocol):
    """Writes captions."""

    name: str

    def caption(self, pictures: Sequence[Image], *, count: int = 1) -> list[list[Caption]]:
        """Write up to `count` captions of each upright RGB picture, of any size, best first."""
        ...


@runtime_checkable
class TokenCaptioner(Captioner, Protocol):
    """Writes captions from the tokens that an encoder of this stamp made, without the pictures."""

    stamp: str

    def caption_tokens(self, tokens: Tokens, *, count: int = 1) -> list[list[Caption]]:
        """Write captions of pictures by their tokens: (p, T, D) int8."""
        ...


class Answerer(Protocol):
    """Answers questions."""

    name: str

    def ask(self, picture: Image, question: str) -> Answer:
        """Answer a question on an upright RGB picture; `BadInput` for what is no question or too long."""
        ...
