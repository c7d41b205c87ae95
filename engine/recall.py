"""The first stage: every signal is asked for its best, and all candidates get every signal's score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from engine.generation import Generation, View
from engine.hybrid import VECTORS, Learned, Scores, fused, total
from engine.index import Planned, named
from engine.plan import choose
from engine.query import Composed
from engine.rerank import Candidates
from engine.store import Store
from engine.types import OWN, Bitmap, Floats, Ids, Kind, Plan, Signal

RERANK_DEPTH = 100  # how many of the best from recall the reranker reads
WORDS = (Signal.LEXICAL, Signal.OCR, Signal.OBJECTS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What recall is asked for: items of a kind, `depth` of each signal, among those a bitmap names.

    `way` is how the index that every item of the kind is in is searched for these; `plan` tells of it.
    `weights` are the signals to ask; `learned` what they count, where the model knows. `reads` says whether
    tokens are wanted, by the reranker or to explain.
    """

    kind: Kind
    weights: Mapping[Signal, float]
    depth: int
    bitmap: Bitmap | None
    plan: Plan
    way: Planned
    learned: Learned | None
    reads: bool = True


@dataclass(frozen=True, slots=True)
class Recalled:
    """The first stage's answer, best first: n ids, each signal's scores, and what they add up to.

    `candidates` are the first RERANK_DEPTH of them, where they have tokens and these are wanted.
    """

    kind: Kind
    ids: Ids
    scores: Scores
    parts: Mapping[str, Floats]
    candidates: Candidates | None

    @property
    def telling(self) -> list[Signal]:
        """Name the signals that say something of any item."""
        return [signal for signal, own in self.scores.items() if np.isfinite(own).any()]


def default_weights(
    kind: Kind, composed: Composed, generation: Generation, store: Store
) -> dict[Signal, float]:
    """Return the signals a query asks if it names none: words join where query and pictures have some."""
    weights = {OWN[kind]: 1.0}
    if kind == "text" or not composed.words:
        return weights
    if (kind, Signal.CAPTION) in generation.views:
        weights |= {Signal.CAPTION: 1.0, Signal.LEXICAL: 1.0}
    for signal in (Signal.OCR, Signal.OBJECTS):
        if generation.lexicon.count(store, signal):
            weights[signal] = 1.0
    return weights


def recall(generation: Generation, store: Store, composed: Composed, wanted: Wanted) -> Recalled:
    """Ask each signal for its best, put them together, and fuse their scores."""
    views = {s: generation.views[wanted.kind, s] for s in VECTORS if (wanted.kind, s) in generation.views}
    own = views.get(OWN[wanted.kind])
    found: dict[Signal, tuple[Ids, Floats]] = {}
    for signal, view in views.items():
        if signal in wanted.weights:
            way = wanted.way if view is own else choose(view.index, wanted.bitmap)[1]
            found[signal] = _nearest(
                view, composed.vectors[signal], wanted.depth + len(composed.exclude), way
            )
    for signal in WORDS:
        if signal in wanted.weights and composed.words:
            found[signal] = generation.lexicon.find(store, signal, composed.words, wanted.kind)
    best = {signal: _best(*known, wanted, composed) for signal, known in found.items()}
    if len(best) == 1:
        ((signal, (ids, scores)),) = best.items()
        return _fused(ids, {signal: scores}, own, wanted)
    ids = _together(ids for ids, _ in best.values())
    placed = {signal: _placed(ids, *known) for signal, known in found.items()}
    for signal in placed.keys() & views.keys():
        _gather(views[signal], composed.vectors[signal], ids, placed[signal])
    return _fused(ids, placed, own, wanted)


def _nearest(view: View, vector: Floats, most: int, way: Planned) -> tuple[Ids, Floats]:
    if way.found is not None:
        return way.found[1][:most], way.found[0][:most]
    scores, ids = view.index.search(vector, min(most, len(view.index)), way)
    real = ids[0] >= 0
    return ids[0][real], scores[0][real]


def _best(ids: Ids, scores: Floats, wanted: Wanted, composed: Composed) -> tuple[Ids, Floats]:
    """Choose the best of what a signal has found, of those that may be answers, best first."""
    if composed.exclude or wanted.bitmap is not None:
        allowed = ~np.isin(ids, composed.exclude)
        if wanted.bitmap is not None:
            allowed &= named(ids, wanted.bitmap)
        ids, scores = ids[allowed], scores[allowed]
    best = np.argsort(-scores, kind="stable")[: wanted.depth]
    return ids[best], scores[best]


def _together(found: Iterable[Ids]) -> Ids:
    """Put together what signals have found, each signal's in its own order, those found first first."""
    return np.array(list(dict.fromkeys(chain.from_iterable(ids.tolist() for ids in found))), dtype=np.int64)


def _placed(ids: Ids, known: Ids, scores: Floats) -> Floats:
    """Lay the scores that are known out over ids; NaN where there is none."""
    if not len(known):
        return np.full(len(ids), np.nan, dtype=np.float32)
    ascending = np.argsort(known)
    places = ascending[np.searchsorted(known, ids, sorter=ascending).clip(max=len(known) - 1)]
    return np.where(known[places] == ids, scores[places], np.float32(np.nan))


def _gather(view: View, vector: Floats, ids: Ids, scores: Floats) -> None:
    """Score the candidates that another signal has found, from their vectors."""
    rest = np.isnan(scores)
    if rest.any():
        bitmap = np.zeros(int(ids.max()) + 1, dtype=bool)
        bitmap[ids[rest]] = True
        known = _nearest(view, vector, int(rest.sum()), Planned(view.index.rows(bitmap), gather=True))
        scores[rest] = _placed(ids[rest], *known)


def _fused(ids: Ids, scores: dict[Signal, Floats], own: View | None, wanted: Wanted) -> Recalled:
    if len(scores) > 1 and OWN[wanted.kind] in scores:  # what another process adds just now comes next time
        indexed = np.isfinite(scores[OWN[wanted.kind]])
        ids, scores = ids[indexed], {signal: own_scores[indexed] for signal, own_scores in scores.items()}
    parts = fused(scores, wanted.weights, wanted.learned.recall if wanted.learned else None)
    best = np.argsort(-total(parts), kind="stable")
    ids, scores = ids[best], {signal: own_scores[best] for signal, own_scores in scores.items()}
    parts = {name: part[best] for name, part in parts.items()}
    return Recalled(wanted.kind, ids, scores, parts, _read(ids, scores, own, wanted))


def _read(ids: Ids, scores: Scores, own: View | None, wanted: Wanted) -> Candidates | None:
    """Read the tokens of the best, for the reranker; none where one of them came without."""
    best = ids[:RERANK_DEPTH]
    if own is None or own.tokens is None or OWN[wanted.kind] not in scores or not len(best):
        return None
    if not wanted.reads:
        return None
    try:
        tokens, lengths = own.tokens.read(best)
    except KeyError:
        return None
    return Candidates(wanted.kind, best, scores[OWN[wanted.kind]][: len(best)], tokens, lengths)
