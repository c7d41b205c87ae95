"""Searches as they are reranked, in galleries of several sizes: what leads and scores are worth there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.fusion_reranker import FusionReranker
from engine.rerank import Candidates, Read
from engine.types import Encoded, Kind
from training.calibrate import SHOWN
from training.data import HELD_BACK, Photo
from training.evidence import Asked, Bools
from training.gallery import DEPTH, Floats, Ints


@dataclass(frozen=True)
class Judged:
    """m searches: among how many `items`, the `lead` of the first by recall, whether reranking moved it.

    `scores` and `right` (m, SHOWN) are those of the best after reranking, filled up with -inf and false.
    """

    items: Ints
    lead: Floats
    upset: Bools
    scores: Floats
    right: Bools
    first_is_right: Bools  # before reranking

    def of_size(self, items: int) -> Judged:
        """Take the searches of galleries of one size."""
        some = self.items == items
        return Judged(*(getattr(self, name)[some] for name in self.__annotations__))

    @classmethod
    def joined(cls, several: Sequence[Judged]) -> Judged:
        """Lay searches end to end."""
        return cls(*(np.concatenate([getattr(one, name) for one in several]) for name in cls.__annotations__))

    def hits(self) -> tuple[Ints, Floats, Bools]:
        """Return of each hit the number of items searched, its score, and whether it is right."""
        real = np.isfinite(self.scores)
        return np.repeat(self.items, real.sum(1)), self.scores[real], self.right[real]


@dataclass(frozen=True)
class Captioned:
    """Photographs, encoded, of which the first `asking` ask; all their captions, and whose each is."""

    photos: Sequence[Photo]
    asking: int
    pictures: Encoded
    texts: Encoded
    owner: Ints


def judge(
    reranker: FusionReranker, asked: Asked, sizes: Sequence[int], count: int, rng: np.random.Generator
) -> Judged:
    """Put some queries to random galleries that hold their own picture, and rerank the best."""
    rows = []
    for query in rng.permutation(len(asked.cosines))[:count].tolist():
        own, recall = int(asked.owner[query]), asked.cosines[query]
        strangers = np.delete(np.arange(asked.cosines.shape[1]), own)
        text = Read("text", "", asked.texts.row(int(asked.rows[query])))
        for size in sizes:
            if size > len(strangers) + 1:
                continue
            among = np.append(rng.permutation(strangers)[: size - 1], own)
            order, total = _reranked(reranker, text, "image", asked.pictures, recall, among)
            best = np.argsort(-total, kind="stable")[:SHOWN]
            scores, right = np.full(SHOWN, -np.inf, np.float32), np.zeros(SHOWN, np.bool_)
            scores[: len(best)], right[: len(best)] = total[best], order[best] == own
            lead = recall[order[0]] - recall[order[1]]
            rows.append((size, lead, best[0] != 0, scores, right, order[0] == own))
    return Judged(*(np.array(column) for column in zip(*rows, strict=True)))


def judge_captions(
    reranker: FusionReranker, captioned: Captioned, sizes: Sequence[int], count: int, rng: np.random.Generator
) -> tuple[Ints, Floats, Bools]:
    """Let pictures ask for captions, `count` times in galleries of each size and in the whole of each set.

    A gallery is of one set, as galleries are of one kind: captions of another are told apart more easily.
    Returns of each hit shown the number of captions searched, its score, and whether it is right.
    """
    groups = np.array([photo.group for photo in captioned.photos])
    found = []
    for group in HELD_BACK:
        whole = np.flatnonzero(groups == group)
        own = whole[whole < captioned.asking]
        draws = [rng.permutation(own)[:size] for size in sizes if size <= len(own) for _ in range(count // 5)]
        asking = [(query, gallery) for gallery in draws for query in rng.permutation(gallery)[:5]]
        asking += [(query, whole) for query in rng.permutation(own)[:count]]
        for query, gallery in asking:
            among = np.flatnonzero(np.isin(captioned.owner, gallery))
            picture = captioned.pictures.row(int(query))
            recall = captioned.texts.vectors @ picture.vectors[0]
            read = Read("image", "", picture)
            order, total = _reranked(reranker, read, "text", captioned.texts, recall, among)
            best = np.argsort(-total, kind="stable")[:SHOWN]
            found += [(len(among), total[n], captioned.owner[order[n]] == query) for n in best]
    items, scores, right = (np.array(column) for column in zip(*found, strict=True))
    return items, scores, right


def _reranked(
    reranker: FusionReranker, query: Read, wanted: Kind, items: Encoded, recall: Floats, among: Ints
) -> tuple[Ints, Floats]:
    """Take the best DEPTH among some items by recall, and score them."""
    assert items.tokens is not None and items.lengths is not None
    order = among[np.argsort(-recall[among], kind="stable")][:DEPTH]
    candidates = Candidates(wanted, order, recall[order], items.tokens[order], items.lengths[order])
    return order, np.stack(list(reranker.score(query, candidates).values())).sum(0)
