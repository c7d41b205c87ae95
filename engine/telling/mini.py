"""MiniTeller: captions and answers from mini's tokens of a picture, with the bundle `mini-tell`.

The encoder is mini's, as it is; what was trained for telling is detectors of words, a language model of
captions, and
the reader that answers. Where a gallery has a picture's tokens, the picture is not encoded again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image

from engine.encoders.mini import GRAPHS, MiniEncoder, load_mini
from engine.encoders.mini_bundle import digest
from engine.encoders.mini_shape import GRID
from engine.encoders.onnx_graph import Example, Run, by_torch, kept_graph, make_graph
from engine.encoders.weights import bundled_mini, cache_directory
from engine.errors import BadInput
from engine.telling import Answer, Caption
from engine.telling.asked import kind_of
from engine.telling.grams import Grams
from engine.telling.packing import READER
from engine.telling.sentences import Manner, Writer, as_text
from engine.telling.sight import Sight, unit
from engine.telling.words import LOOK, MEANING, looks, meanings, split
from engine.types import Floats, Tokens

if TYPE_CHECKING:
    from engine.telling.reader import Reader

BUNDLE = "mini-tell"
ALTERNATIVES = 4
MOST_KNOWN = 10_000  # words of questions that are kept


def load_teller(device: str = "cpu") -> MiniTeller:
    """Load the bundle, and mini with it; raises `ModelUnavailable` where weights are missing."""
    return MiniTeller(load_mini(device)[0], bundled_mini(BUNDLE))


class MiniTeller:
    """Writes captions and answers questions; any number of threads may share one."""

    name = "mini"

    def __init__(self, encoder: MiniEncoder, folder: Path) -> None:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._encoder = encoder
        self.stamp = encoder.stamp
        self._lock = threading.Lock()
        self.words: list[str] = (folder / "words.txt").read_text(encoding="utf-8").split()
        self._number = {word: place for place, word in enumerate(self.words)}
        with np.load(folder / "sight.npz") as arrays:
            self.sight = Sight.read(arrays)
        with np.load(folder / "sentences.npz") as arrays:
            small = np.isin(self.words, config["small"]).astype(np.float32)
            self.writer = Writer(Grams(arrays), small, Manner(**config["manner"]))
        self.kinds: dict[str, dict[str, Any]] = config["kinds"]
        self.answers: list[str] = config["answers"]
        self._called = [self._number.get(answer, -1) for answer in self.answers]
        self._folder = folder
        self._last = (np.empty(0, np.float32), np.empty(0, np.float32))
        self._known: dict[str, tuple[Floats, Floats]] = {}

    def caption(
        self, pictures: Sequence[Image], *, count: int = 1, words: Collection[str] | None = None
    ) -> list[list[Caption]]:
        """Write captions; see `Captioner`. `words` are the only ones that may be used, beside small ones."""
        with self._lock:
            return [self._captions(cells, count, words) for cells in self._look(pictures)]

    def caption_tokens(self, tokens: Tokens, *, count: int = 1) -> list[list[Caption]]:
        """Write captions of pictures by their tokens (p, 81, 128) int8, as mini made them."""
        with self._lock:
            return [self._captions(cells, count, None) for cells in unit(tokens)]

    def ask(self, picture: Image, question: str) -> Answer:
        """Answer a question on a picture; see `Answerer`."""
        kind, words = kind_of(question)  # before the picture is looked at
        with self._lock:
            return self._answer(self._look([picture])[0], kind, words)

    def ask_tokens(self, tokens: Tokens, question: str) -> Answer:
        """Answer a question on a picture by its tokens (81, 128) int8."""
        kind, words = kind_of(question)
        with self._lock:
            return self._answer(unit(tokens), kind, words)

    def _look(self, pictures: Sequence[Image]) -> Floats:
        encoded = self._encoder.encode_image(pictures)
        assert encoded.tokens is not None
        return unit(encoded.tokens)

    def _captions(self, cells: Floats, count: int, words: Collection[str] | None) -> list[Caption]:
        calls = self._calls(cells)
        found = self.writer.write(calls, None if words is None else self._allowed(words))
        if not found:
            raise BadInput("no sentence can be made of these words; allow more of them")
        return [
            Caption(
                as_text([self.words[word] for word in one.words]),
                float(np.exp(one.chance / (len(one.words) + 1))),
            )
            for one in found[:count]
        ]

    def _allowed(self, words: Collection[str]) -> Floats:
        given = {word for text in words for word in split(text)}
        allowed: Floats = np.maximum(self.writer.small, np.isin(self.words, list(given))).astype(np.float32)
        return allowed

    def _answer(self, cells: Floats, kind: str, words: Sequence[str]) -> Answer:
        logits, looked = self.read(cells, words)
        how = self.kinds[kind]
        places = np.array(how["answers"])
        scaled = logits[places] / how["temperature"]
        chances = np.exp(scaled - scaled.max())
        chances /= chances.sum()
        order = np.argsort(-chances, kind="stable")
        ranked = [(self.answers[places[n]], float(chances[n])) for n in order[: ALTERNATIVES + 1]]
        text, probability = ranked[0]
        heat = looked.reshape(GRID, GRID)
        return Answer(text, probability, probability >= how["bound"], kind, tuple(ranked[1:]), heat)

    def read(self, cells: Floats, words: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the logit of each answer, and where the question looked: (81,), adding up to 1."""
        calls = self._calls(cells)
        self._learn(words)
        mean, look = (np.stack([self._known[word][side] for word in words]) for side in (0, 1))
        called = [calls[self._number[word]] if word in self._number else 0.0 for word in words]
        answers = np.where(np.array(self._called) >= 0, calls[self._called], 0.0)
        asked = mean, look, np.array(called, np.float32), np.ones(len(words), bool), cells
        logits, looked = self._reader(*(one[None] for one in asked), answers.astype(np.float32)[None])
        share = looked[0].astype(np.float64)
        return logits[0], (share / share.sum()).astype(np.float32)

    @cached_property
    def _reader(self) -> Run:
        return kept_graph(self._kept()) or by_torch(self._module(), "cpu")

    def make_graph(self) -> None:
        """Make the graph of the reader, if it is not kept yet or cannot be read."""
        if kept_graph(self._kept()) is None:
            count = len(self.answers)
            words = [np.ones((2, 5, MEANING), np.float32), np.ones((2, 5, LOOK), np.float32)]
            words += [np.ones((2, 5), np.float32), np.ones((2, 5), bool)]
            pictures = [np.ones((2, GRID**2, LOOK), np.float32), np.ones((2, count), np.float32)]
            axes = [{0: "n", 1: "t"}] * len(words) + [{0: "n"}] * len(pictures)
            make_graph(self._module(), Example([*words, *pictures], axes), self._kept())

    def _kept(self) -> Path:
        own = sha256((self._folder / READER).read_bytes()).hexdigest()
        return cache_directory() / f"reader-{digest([own, str(GRAPHS)])}"

    def _module(self) -> Reader:
        from engine.telling.reader import load_reader

        return load_reader(self._folder, len(self.answers))

    def _calls(self, cells: Floats) -> Floats:
        """Return what a picture calls for; several questions are asked of one, so the last is kept."""
        known, calls = self._last
        if not np.array_equal(known, cells):
            calls = self.sight.calls(self.sight.see(cells[None]))[0]
            self._last = cells, calls
        return calls

    def _learn(self, words: Sequence[str]) -> None:
        """Look words up, and keep them: a service is asked the same ones again and again."""
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        words = [word for word in dict.fromkeys(words) if word not in self._known]
        if words:
            for word, *sides in zip(
                words, meanings(self._encoder, words), looks(self._encoder, words), strict=True
            ):
                self._known[word] = (sides[0], sides[1])
