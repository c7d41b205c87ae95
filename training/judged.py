"""Searches as they are reranked, in galleries of several sizes: what leads and scores are worth there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.fusion_reranker import FusionReranker
from engine.rerank import Candidates, Read
from engine.types import Encoded, Kind
from training.columns import Columns
from training.data import HELD_BACK, Photo
from training.evidence import Asked, Bools
from training.gallery import DEPTH, Floats, Ints


@dataclass(frozen=True)
class Judged(Columns):
    """m searches: among how many `items`, the `lead` of the first by recall, whether reranking moved it.

    `scores` and `right` (m, DEPTH) are of the list after reranking, best first, filled with -inf and false.
    """

    items: Ints
    lead: Floats
    upset: Bools
    scores: Floats
    right: Bools
    first_is_right: Bools  # before reranking

    def of_size(self, items: int) -> Judged:
        """Take the searches of galleries of one size."""
        return self.taken(self.items == items)


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
            rows.append(_reranked(reranker, text, "image", asked.pictures, recall, among, among == own))
    return Judged(*(np.array(column) for column in zip(*rows, strict=True)))


def judge_captions(
    reranker: FusionReranker, captioned: Captioned, sizes: Sequence[int], count: int, rng: np.random.Generator
) -> Judged:
    """Let pictures ask for captions, `count` times in galleries of each size and in the whole of each set.

    A gallery is of one set, as galleries are of one kind: captions of another are told apart more easily.
    """
    groups = np.array([photo.group for photo in captioned.photos])
    rows = []
    for group in HELD_BACK:
        whole = np.flatnonzero(groups == group)
        own = whole[whole < captioned.asking]
        draws = [rng.permutation(own)[:size] for size in sizes if size <= len(own) for _ in range(count // 5)]
        asking = [(query, gallery) for gallery in draws for query in rng.permutation(gallery)[:5]]
        asking += [(query, whole) for query in rng.permutation(own)[:count]]
        for query, gallery in asking:
            among = np.flatnonzero(np.isin(captioned.owner, gallery))
            picture = captioned.pictures.row(int(query))
            recall, read = captioned.texts.vectors @ picture.vectors[0], Read("image", "", picture)
            right = captioned.owner[among] == query
            rows.append(_reranked(reranker, read, "text", captioned.texts, recall, among, right))
    return Judged(*(np.array(column) for column in zip(*rows, strict=True)))


def _reranked(
    reranker: FusionReranker,
    query: Read,
    wanted: Kind,
    items: Encoded,
    recall: Floats,
    among: Ints,
    right: Bools,
) -> tuple[int, np.float32, np.bool_, Floats, Bools, np.bool_]:
    """Take the best DEPTH among some items by recall, score them, and make a row of `Judged`."""
    assert items.tokens is not None and items.lengths is not None
    order = np.argsort(-recall[among], kind="stable")[:DEPTH]
    chosen = among[order]
    candidates = Candidates(wanted, chosen, recall[chosen], items.tokens[chosen], items.lengths[chosen])
    total = np.stack(list(reranker.score(query, candidates).values())).sum(0)
    best = np.argsort(-total, kind="stable")
    scores, hits = np.full(DEPTH, -np.inf, np.float32), np.zeros(DEPTH, np.bool_)
    scores[: len(best)], hits[: len(best)] = total[best], right[order[best]]
    lead = recall[chosen[0]] - recall[chosen[1]]
    return len(among), lead, best[0] != 0, scores, hits, right[order[0]]
