"""From a composed query to an order: recall from one signal's index, rerank its best, explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.generation import View
from engine.index import Planned
from engine.query import Composed, Read
from engine.rerank import Reranker
from engine.types import Candidates, Explanation, Floats, Hit, Ids, Item, Kind, Signal, WordMap

RERANK_DEPTH = 100  # how many of the best from recall the reranker reads
BELOW = "below rerank depth"


@dataclass(frozen=True, slots=True)
class Recalled:
    """The first stage's answer, best first: ids (n,), their cosines (n,), and the tokens of the best."""

    kind: Kind
    signal: Signal
    ids: Ids
    cosines: Floats
    candidates: Candidates | None  # the first RERANK_DEPTH of them, where they have tokens


@dataclass(frozen=True, slots=True)
class Ranking:
    """An order: positions in `Recalled`, and the contributions (n,) that add up to each score."""

    ids: Ids
    positions: Ids
    cosines: Floats
    contributions: Mapping[str, Floats]
    probabilities: Floats | None
    reranked: bool

    @property
    def scores(self) -> Floats:
        """Add the contributions up: (n,)."""
        total: Floats = np.sum(list(self.contributions.values()), axis=0)
        return total

    def hit(self, place: int, rank: int, item: Item, *, signal: Signal, explain: bool) -> Hit:
        """Describe the item at a place of this order."""
        parts = {name: float(part[place]) for name, part in self.contributions.items() if part[place]}
        known = self.probabilities is not None and place < len(self.probabilities)
        return Hit(
            rank=rank,
            item=item,
            score=sum(parts.values()),
            probability=float(self.probabilities[place])
            if known and self.probabilities is not None
            else None,
            signals={signal.value: float(self.cosines[place])},
            explanation=Explanation(parts, int(self.positions[place]) + 1) if explain else None,
        )


def recall(view: View | None, signal: Signal, composed: Composed, planned: Planned, depth: int) -> Recalled:
    """Ask one signal's index for its `depth` nearest, leaving out the items the query names."""
    kind: Kind = "image" if signal is Signal.VISUAL else "text"
    if view is None:
        return Recalled(kind, signal, np.empty(0, np.int64), np.empty(0, np.float32), None)
    most = min(depth + len(composed.exclude), len(view.index))
    scores, ids = view.index.search(composed.vectors[signal], most, planned)
    keep = (ids[0] >= 0) & ~np.isin(ids[0], composed.exclude)
    ids, cosines = ids[0][keep][:depth], scores[0][keep][:depth]
    best = ids[:RERANK_DEPTH]
    if view.tokens is None or not len(best):
        return Recalled(kind, signal, ids, cosines, None)
    tokens, lengths = view.tokens.read(best)
    return Recalled(kind, signal, ids, cosines, Candidates(kind, best, cosines[: len(best)], tokens, lengths))


def order(found: Recalled, composed: Composed, reranker: Reranker | None) -> Ranking:
    """Order what recall found: by the reranker where it can read it, else by cosine."""
    recall_only = {"recall": found.cosines}
    positions = np.arange(len(found.ids))
    candidates = found.candidates
    if reranker is None or candidates is None or not _can_read(reranker, composed, found.kind):
        return Ranking(found.ids, positions, found.cosines, recall_only, None, False)
    parts = _scored(reranker, composed.read, candidates)
    scores = np.sum(list(parts.values()), axis=0)
    best = np.argsort(-scores, kind="stable")
    new = np.concatenate([best, positions[len(candidates) :]])
    return Ranking(
        ids=found.ids[new],
        positions=new,
        cosines=found.cosines[new],
        contributions=_with_tail({name: part[best] for name, part in parts.items()}, scores, found),
        probabilities=reranker.probability(scores[best], composed.read[0].kind, found.kind),
        reranked=True,
    )


def _can_read(reranker: Reranker, composed: Composed, kind: Kind) -> bool:
    """Say whether the reranker can match what the query gives it to read against items of a kind."""
    read = composed.read
    return bool(read) and read[0].encoded.tokens is not None and reranker.supports(read[0].kind, kind)


def _scored(reranker: Reranker, read: Sequence[Read], candidates: Candidates) -> Mapping[str, Floats]:
    """Let the reranker judge each part it reads, and take the mean by the parts' shares."""
    judged = [(one.share, reranker.score(one.encoded, one.kind, candidates)) for one in read]
    return {
        name: np.sum([np.float32(share) * parts[name] for share, parts in judged], axis=0)
        for name in judged[0][1]
    }


def _with_tail(parts: Mapping[str, Floats], scores: Floats, found: Recalled) -> dict[str, Floats]:
    """Append what lies below the rerank depth, in recall order and below the lowest reranked score."""
    tail = found.cosines[len(scores) :]
    nothing = np.zeros(len(tail), dtype=np.float32)
    whole = {name: np.concatenate([part, nothing]) for name, part in parts.items()}
    if len(tail):
        drop = np.full(len(tail), min(0.0, float(scores.min() - tail.max()) - 1e-3), dtype=np.float32)
        above = np.zeros(len(scores), dtype=np.float32)
        whole["recall"] = np.concatenate([above, tail])
        whole[BELOW] = np.concatenate([above, drop])
    return whole


def explained(hits: list[Hit], found: Recalled, composed: Composed, reranker: Reranker | None) -> list[Hit]:
    """Add to each picture among the hits where each word of the query looked."""
    candidates = found.candidates
    if reranker is None or candidates is None or not _can_read(reranker, composed, found.kind):
        return hits
    if found.kind != "image" or composed.read[0].kind != "text":
        return hits
    rows = {item_id: row for row, item_id in enumerate(candidates.ids.tolist())}
    shown = [hit for hit in hits if hit.item.id in rows]
    picked = _take(candidates, np.array([rows[hit.item.id or 0] for hit in shown], dtype=np.int64))
    words: dict[int, tuple[WordMap, ...]] = {}
    for one in composed.read if shown else ():
        for hit, maps in zip(shown, reranker.explain(one.text, one.encoded, picked), strict=True):
            shares = tuple(replace(word, weight=word.weight * one.share) for word in maps)
            words[hit.rank] = words.get(hit.rank, ()) + shares
    return [
        replace(hit, explanation=replace(hit.explanation, words=words.get(hit.rank, ())))
        for hit in hits
        if hit.explanation is not None
    ]


def _take(candidates: Candidates, rows: Ids) -> Candidates:
    return Candidates(
        kind=candidates.kind,
        ids=candidates.ids[rows],
        recall=candidates.recall[rows],
        tokens=candidates.tokens[rows],
        lengths=candidates.lengths[rows],
    )
