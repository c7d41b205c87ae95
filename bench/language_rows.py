"""The rows of `bench.language_models`: one language model raw, under heads, and tuned by captions first."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engine.encoders.mini_towers import TextTower
from engine.evaluate import Ranks
from training import own
from training.checkpoints import Resume, kept
from training.data import Photo, select
from training.features import CaptionStates, Pieces
from training.gallery import Ints
from training.language_models import (
    Adapter,
    CausalTower,
    Clock,
    Tuning,
    add_low_rank,
    caption_vectors,
    contrast_captions,
    contrast_pictures,
    merge,
    sentence_vectors,
)
from training.measure import SETS

HEADS = own.Recipe(steps=200)  # 11 epochs
TIMED = 40  # texts
RAW, ADAPTER = "raw", "adapter only"
CAPTIONS, TUNED = "tuned by captions", "tuned, then adapter"


@dataclass(frozen=True)
class Photos:
    """What is known of pictures: `means` (n, MEANS_WIDTH), of all photographs."""

    all: list[Photo]
    means: Tensor


@dataclass(frozen=True)
class Language:
    """A language model, and what its lower layers made of the captions of all photographs."""

    name: str
    tower: TextTower | CausalTower
    pieces: Pieces
    states: CaptionStates

    def captions(self, positions: Sequence[int], most: int | None = None) -> tuple[Ints, Ints]:
        """Number the captions of some photographs, `most` of each, and tell each one's photograph, from 0."""
        first = self.states.first
        rows = [np.arange(first[i], first[i + 1])[:most] for i in positions]
        return np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(row) for row in rows])


@dataclass(frozen=True)
class Row:
    """One line of the tables; ranks from 1, one after the other of each seed."""

    kind: str
    learned: int  # parameters
    seconds: float  # of the processor, to train them
    milliseconds: float  # of the processor, for one text
    captions: dict[str, Ranks]  # by set
    ranks: dict[str, tuple[Ranks, Ranks]]  # text to image, image to text


def rank_best(scores: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]) -> Ranks:
    """Rank, from 1, the best of the right ones of each row, (q, n)."""
    best = np.where(right, scores, -np.inf).max(1, keepdims=True)
    found: Ranks = 1 + (scores > best).sum(1)
    return found


def rank_captions(vectors: Tensor, owner: Ints) -> Ranks:
    """Rank, of each caption, the nearest other one of the same picture among all others."""
    scores = (vectors @ vectors.T).numpy()
    np.fill_diagonal(scores, -np.inf)
    right = owner[:, None] == owner
    np.fill_diagonal(right, False)
    return rank_best(scores, right)


def measured(photos: Photos, language: Language) -> dict[str, tuple[list[int], Ints, Ints]]:
    """Tell of each set its photographs, their captions, and whose each is."""
    places = {name: select(photos.all, "val", group) for name, group in SETS.items()}
    return {name: (chosen, *language.captions(chosen)) for name, chosen in places.items() if chosen}


def milliseconds(language: Language, texts: Sequence[str]) -> float:
    """Time one text: the median, of the processor."""
    spent = []
    for text in texts[:TIMED]:
        began = time.process_time()
        with torch.inference_mode():
            sentence_vectors(language.tower, language.pieces, [text])
        spent.append(1000 * (time.process_time() - began))
    return float(np.median(spent))


def captions_only(
    kind: str, language: Language, photos: Photos, vectors: Tensor, cost: tuple[int, float, float]
) -> Row:
    """Measure a language model without a head; `vectors` are of all captions."""
    sets = measured(photos, language)
    found = {name: rank_captions(vectors[rows], owner) for name, (_, rows, owner) in sets.items()}
    return Row(kind, *cost, found, {})


@torch.inference_mode()
def with_heads(
    kind: str,
    language: Language,
    photos: Photos,
    vectors: Tensor,
    adapters: Sequence[Adapter],
    cost: tuple[int, float, float],
) -> Row:
    """Measure a language model under trained heads, those of every seed."""
    captions: dict[str, Ranks] = {}
    ranks: dict[str, tuple[Ranks, Ranks]] = {}
    for name, (places, rows, owner) in measured(photos, language).items():
        found: list[tuple[Ranks, ...]] = []
        for adapter in adapters:
            pictures, texts = adapter(photos.means[places], vectors[rows])
            scores, right = (texts @ pictures.T).numpy(), owner[:, None] == np.arange(len(places))
            found.append(
                (rank_captions(texts, owner), rank_best(scores, right), rank_best(scores.T, right.T))
            )
        captions[name], asked, told = (np.concatenate(part) for part in zip(*found, strict=True))
        ranks[name] = asked, told
    return Row(kind, *cost, captions, ranks)


class Run:
    """The rows of one language model, each training kept in the work folder."""

    def __init__(self, photos: Photos, language: Language, options: argparse.Namespace) -> None:
        self._photos = photos
        self._language = language
        self._options = options
        self._tuning = Tuning(options.steps, options.pairs)

    def rows(self, groups: Sequence[Sequence[str]]) -> list[Row]:
        """Make every row; the tower is tuned on the way, in place."""
        language, states = self._language, self._language.states
        texts = [photo.captions[0] for photo in self._photos.all[:TIMED]]
        raw = torch.from_numpy(states.meaning).float()
        speed = milliseconds(language, texts)
        rows = [captions_only(RAW, language, self._photos, raw, (0, 0.0, speed))]
        rows.append(self._headed(ADAPTER, raw, (0, 0.0, speed)))
        learned, seconds = self._tune(groups)
        tuned = self._vectors(np.concatenate([self._asked(), self._taught()[0]]))
        cost = learned, seconds, milliseconds(language, texts)
        rows.append(captions_only(CAPTIONS, language, self._photos, tuned, cost))
        return [*rows, self._headed(TUNED, tuned, cost)]

    def _asked(self) -> Ints:
        return np.concatenate([rows for _, rows, _ in measured(self._photos, self._language).values()])

    def _taught(self) -> tuple[Ints, Ints]:
        return self._language.captions(select(self._photos.all, "train"), self._options.captions)

    def _vectors(self, captions: Ints) -> Tensor:
        """Encode some captions, and leave the rows of all others empty."""
        found = caption_vectors(self._language.tower, self._language.states, captions)
        vectors = torch.zeros(len(self._language.states.meaning), found.shape[1])
        vectors[captions] = found
        return vectors

    def _tune(self, groups: Sequence[Sequence[str]]) -> tuple[int, float]:
        """Tune the tower, or take the weights of an earlier run; tell parameters and seconds."""
        language, tuning = self._language, self._tuning
        torch.manual_seed(tuning.seed)
        layers = language.tower.published
        assert isinstance(layers, nn.ModuleList)
        learning = add_low_rank(layers, tuning.rank)
        key = f"{language.name} {len(groups)} {asdict(tuning)}"

        def make() -> dict[str, Any]:
            clock = Clock(f"{language.name}, captions")
            resume = Resume(self._file(f"{self._dials()}-steps"), key)
            contrast_captions(language.tower, language.pieces, groups, learning, tuning, resume, clock)
            return {"weights": learning.state_dict(), "seconds": clock.seconds(tuning.steps)}

        outcome = kept(self._file(f"{self._dials()}-tuned"), key, make)
        learning.load_state_dict(outcome["weights"])
        merge(layers)
        return sum(weight.numel() for weight in learning), outcome["seconds"]

    def _headed(self, kind: str, vectors: Tensor, cost: tuple[int, float, float]) -> Row:
        """Train heads with every seed, and measure them all."""
        captions, owner = self._taught()
        pictures = self._photos.means[select(self._photos.all, "train")]
        texts = vectors[captions]
        adapters, seconds = [], 0.0
        for seed in range(self._options.seeds):
            recipe = replace(HEADS, seed=seed)
            on = {} if kind == ADAPTER else asdict(self._tuning)
            key = f"{self._language.name} {len(texts)} {asdict(recipe)} {on}"
            name = f"{'raw' if kind == ADAPTER else self._dials()}-{self._options.captions}-heads-{seed}"

            def make(recipe: own.Recipe = recipe, key: str = key, name: str = name) -> dict[str, Any]:
                clock = Clock(f"{self._language.name}, {name}")
                resume = Resume(self._file(f"{name}-steps"), key)
                adapter = contrast_pictures(pictures, texts, owner, recipe, resume, clock)
                return {"weights": adapter.state_dict(), "seconds": clock.seconds(recipe.steps)}

            outcome = kept(self._file(name), key, make)
            adapters.append(Adapter(pictures, texts, seed).eval())
            adapters[-1].load_state_dict(outcome["weights"])
            seconds += outcome["seconds"] / self._options.seeds
        learned = sum(weight.numel() for weight in adapters[0].parameters())
        whole = cost[0] + learned, cost[1] + seconds, cost[2]
        return with_heads(kind, self._language, self._photos, vectors, adapters, whole)

    def _file(self, name: str) -> Path:
        work: Path = self._options.work
        return work / "language-models" / f"{self._language.name}-{name}.pt"

    def _dials(self) -> str:
        return f"{self._tuning.steps}x{self._tuning.pairs}"
