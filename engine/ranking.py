"""From what recall found to an order: rerank its best, explain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from math import isfinite, isnan, nan

import numpy as np

from engine.hybrid import Scores, by_ranks, has, total, weigh
from engine.plan import searched
from engine.query import Composed
from engine.recall import Recalled, Wanted
from engine.rerank import Candidates, Read, Reranker
from engine.types import OWN, Alike, Bitmap, Explanation, Floats, Hit, Ids, Item, Kind, Signal, WordMap

BELOW = "below rerank depth"
UNREAD = "not read"  # brings a candidate that the reranker could not read to the place that recall gave it
PICTURES = 32  # how many of the best from recall are read by a reranker that reads pictures


@dataclass(frozen=True, slots=True)
class Ranking:
    """An order: positions in `Recalled`, and the contributions (n,) that add up to each score.

    `probabilities` are those of the first, NaN where none is known; `unread` are those of the items to be
    reranked whose pictures could not be read.
    """

    ids: Ids
    positions: Ids
    signals: Scores
    contributions: Mapping[str, Floats]
    probabilities: Floats | None
    reranked: bool
    unread: Ids = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def scores(self) -> Floats:
        """Add the contributions up: (n,)."""
        return total(self.contributions)

    def hit(self, place: int, rank: int, item: Item, alike: tuple[Alike, ...], *, explain: bool) -> Hit:
        """Describe the item at a place of this order, and what stands behind it."""
        parts = {name: own for name, part in self.contributions.items() if (own := float(part[place]))}
        chances = self.probabilities
        chance = float(chances[place]) if chances is not None and place < len(chances) else nan
        said = {signal.value: float(own[place]) for signal, own in self.signals.items()}
        return Hit(
            rank=rank,
            item=item,
            score=sum(parts.values()),
            probability=None if isnan(chance) else chance,
            signals={name: own for name, own in said.items() if isfinite(own)},
            explanation=Explanation(parts, int(self.positions[place]) + 1) if explain else None,
            alike=alike,
        )


def order(found: Recalled, composed: Composed, wanted: Wanted, reranker: Reranker | None) -> Ranking:
    """Order what recall found: by the reranker where it can read it, else as recall has it."""
    positions = np.arange(len(found.ids))
    candidates = found.candidates
    if reranker is None or candidates is None or not _can_read(reranker, composed, found.kind):
        return Ranking(found.ids, positions, found.scores, found.parts, None, False)
    parts = _scored(reranker, composed.read, candidates)
    depth = len(candidates)
    scores = {signal: own[:depth] for signal, own in found.scores.items()}
    are_ranks = _are_ranks(reranker, found, wanted)
    if reranker.reads == "pictures":
        parts = {name: part[:depth] for name, part in found.parts.items()} | dict(parts)
    elif wanted.learned is not None:
        parts = weigh(parts, scores, wanted.weights, wanted.learned.reranked)
    elif are_ranks:
        parts = by_ranks({**scores, OWN[found.kind]: total(parts)}, wanted.weights)
    sums = total(parts)
    unread = np.isnan(sums)
    if unread.all():
        return Ranking(found.ids, positions, found.scores, found.parts, None, False, candidates.ids)
    best = _best(sums, unread)
    if unread.any():
        parts = _filled(parts, best, unread)
        sums = total(parts)
    new = np.concatenate([best, positions[depth:]])
    chances = None
    if not are_ranks:
        chances = reranker.probability(sums[best], composed.read[0].kind, found.kind, searched(wanted.plan))
    return Ranking(
        ids=found.ids[new],
        positions=new,
        signals={signal: own[new] for signal, own in found.scores.items()},
        contributions=_with_tail({name: part[best] for name, part in parts.items()}, sums, found),
        probabilities=None
        if chances is None
        else np.where(_calibrated(scores, wanted)[best], chances, np.nan),
        reranked=True,
        unread=candidates.ids[unread],
    )


def given(found: Recalled, reranker: Reranker | None, open_picture: Callable[[int], bytes]) -> Recalled:
    """Give candidates what a reranker reads of them: stored tokens, or the way to their pictures."""
    if reranker is None or reranker.reads == "tokens" or not len(found.ids):
        return found
    ids = found.ids[:PICTURES]
    tokens, lengths = np.empty((len(ids), 0, 0), np.int8), np.zeros(len(ids), np.int16)
    sums = total(found.parts)[: len(ids)]
    return replace(found, candidates=Candidates(found.kind, ids, sums, tokens, lengths, open_picture))


def _best(sums: Floats, unread: Bitmap) -> Ids:
    """Order by score, but keep in their places those that were not read."""
    best = np.arange(len(sums))
    best[~unread] = best[~unread][np.argsort(-sums[~unread], kind="stable")]
    return best


def _filled(parts: Mapping[str, Floats], best: Ids, unread: Bitmap) -> Mapping[str, Floats]:
    """Let those that were not read score what the one above them does (the first: the one below)."""
    known = np.where(unread[best], -1, np.arange(len(best)))
    above = np.maximum.accumulate(known)
    above[above < 0] = np.flatnonzero(known >= 0)[0]
    level = np.empty(len(best), dtype=np.float32)
    level[best] = total(parts)[best][above]
    parts = {name: np.where(np.isnan(part), np.float32(0), part) for name, part in parts.items()}
    return {**parts, UNREAD: np.where(unread, level - total(parts), np.float32(0))}


def _calibrated(scores: Scores, wanted: Wanted) -> Bitmap:
    """Tell whose probability is known: measured were pictures alone, and pictures with their captions."""
    if any(weight != 1 for weight in wanted.weights.values()):
        return np.zeros(len(scores[Signal.VISUAL]), dtype=bool)
    named = has(scores, Signal.LEXICAL) & ~has(scores, Signal.CAPTION)
    return ~named & ~has(scores, Signal.OCR) & ~has(scores, Signal.OBJECTS)


def _are_ranks(reranker: Reranker, found: Recalled, wanted: Wanted) -> bool:
    """Say whether ranks are fused, as what a verdict counts beside the other signals was not learned."""
    beside = any(signal is not OWN[found.kind] for signal in found.telling)
    return reranker.reads == "tokens" and wanted.learned is None and beside


def _can_read(reranker: Reranker, composed: Composed, kind: Kind) -> bool:
    """Say whether the reranker can match what the query gives it to read against items of a kind."""
    read = composed.read
    if not read or not reranker.supports(read[0].kind, kind):
        return False
    return reranker.reads == "pictures" or read[0].encoded.tokens is not None


def _scored(reranker: Reranker, read: Sequence[Read], candidates: Candidates) -> Mapping[str, Floats]:
    """Let the reranker judge each part it reads, and take the mean by the parts' shares."""
    judged = [(one.share, reranker.score(one, candidates)) for one in read]
    return {
        name: reduce(np.add, [np.float32(share) * parts[name] for share, parts in judged])
        for name in judged[0][1]
    }


def _with_tail(parts: Mapping[str, Floats], scores: Floats, found: Recalled) -> dict[str, Floats]:
    """Append what lies below the rerank depth, in recall order and below the lowest reranked score."""
    depth = len(scores)
    tail = {name: part[depth:] for name, part in found.parts.items()}
    if depth == len(found.ids):
        return dict(parts)
    sums = total(tail)
    tail[BELOW] = np.full(len(sums), min(0.0, float(scores.min() - sums.max()) - 1e-3), dtype=np.float32)
    nothing = np.zeros(depth, dtype=np.float32), np.zeros(len(sums), dtype=np.float32)
    return {
        name: np.concatenate([parts.get(name, nothing[0]), tail.get(name, nothing[1])])
        for name in {**parts, **tail}
    }


def explained(hits: list[Hit], found: Recalled, composed: Composed, reranker: Reranker | None) -> list[Hit]:
    """Add to each picture among the hits where each word of the query looked."""
    candidates = found.candidates
    if reranker is None or candidates is None or not _can_read(reranker, composed, found.kind):
        return hits
    if found.kind != "image" or composed.read[0].kind != "text":
        return hits
    rows = {item_id: row for row, item_id in enumerate(candidates.ids.tolist())}
    shown = [hit for hit in hits if hit.item.id in rows]
    picked = candidates.take(np.array([rows[hit.item.id or 0] for hit in shown], dtype=np.int64))
    words: dict[int, tuple[WordMap, ...]] = {}
    for one in composed.read if shown else ():
        for hit, maps in zip(shown, reranker.explain(one, picked), strict=True):
            shares = tuple(replace(word, weight=word.weight * one.share) for word in maps)
            words[hit.rank] = words.get(hit.rank, ()) + shares
    return [
        replace(hit, explanation=replace(hit.explanation, words=words.get(hit.rank, ())))
        for hit in hits
        if hit.explanation is not None
    ]
