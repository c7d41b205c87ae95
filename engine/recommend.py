"""Recommendation: what somebody may like next, from what they liked, viewed, skipped and hid, and when.

    recommend(engine, [Happened(42, "liked"), Happened("file:///a.jpg", "hidden", time)], k=10)

1. Events count by kind, and half as much after every half-life.
2. What counts for more than nothing falls into interests (`engine.interests`); what counts for less is
   taken away. Candidates are what recall finds near each interest.
3. A candidate's score is how near it is to what was liked, each by its weight, less how near it is to
   what was not; near means near for this gallery, in deviations above what two of its items have.
4. Nothing of the history comes back. The best are put into a diverse order, each with its reason: the
   nearest item that was liked, and the words that both share.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from engine.diversity import diversified
from engine.errors import BadInput, ItemNotFound
from engine.interests import Interest, interests
from engine.options import MAX_K
from engine.query import MAX_PARTS
from engine.search import SearchEngine
from engine.shared_words import Words
from engine.store.samples import sample
from engine.types import OWN, Floats, Ids, Item, Kind, Part, Query

MAX_HISTORY = 10_000
HALF_LIFE = 30.0  # days
DAY = 86_400.0
LEAST = 1e-4  # of the weightiest: what counts for less says nothing any more
MOST_INTERESTS = 8
DEPTH = 100  # candidates of an interest, beside those of the history
SAMPLE, SEED = 500, 0
JOINED = 1.0  # deviations above the usual cosine from which two groups are one interest
SHARPNESS = 1.5  # how much the nearest of what was liked counts before the others
AGAINST = 1.0  # what was not liked, beside what was


class Event(StrEnum):
    """What somebody did with an item."""

    LIKED = "liked"
    VIEWED = "viewed"
    SKIPPED = "skipped"
    HIDDEN = "hidden"


COUNTS: Mapping[Event, float] = {
    Event.LIKED: 1.0,
    Event.VIEWED: 0.3,
    Event.SKIPPED: -0.3,
    Event.HIDDEN: -1.0,
}


@dataclass(frozen=True, slots=True)
class Happened:
    """One event: an item by id or uri, and when, in seconds since 1970 (`None`: just now)."""

    item: int | str
    event: Event | str
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is recommended: the nearest one that was liked, and the words that both share."""

    like: Item
    likeness: float  # the cosine of the two
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recommended:
    """One item, which of the interests it is for (from 0, the weightiest), and why."""

    rank: int
    item: Item
    score: float
    interest: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The items, best first; of each interest its share and the items of the history that make it."""

    items: tuple[Recommended, ...]
    interests: tuple[tuple[float, tuple[int, ...]], ...]
    notes: tuple[str, ...] = ()


def recommend(
    engine: SearchEngine,
    history: Iterable[Happened],
    *,
    k: int = 10,
    half_life: float = HALF_LIFE,
    diversity: float = 0.1,
    filter: str | None = None,
    now: float | None = None,
) -> Recommendation:
    """Recommend up to `k` items; `half_life` counts days, `diversity` goes from 0 to 1 as in a search.

    Raises `BadInput` for a history that says nothing of what is liked, `ItemNotFound` when all of it is gone.
    """
    if not 1 <= k <= MAX_K // 10:
        raise BadInput(f"k is {k}; ask for 1 to {MAX_K // 10:,} items")
    if not (math.isfinite(half_life) and half_life > 0):
        raise BadInput(f"the half-life is {half_life} days; give more than 0")
    if not 0 <= diversity <= 1:
        raise BadInput(f"diversity is {diversity}; it goes from 0 (off) to 1 (all items unlike)")
    told = _told(engine, list(history), half_life, time.time() if now is None else now)
    kind: Kind = "image" if any(one.kind == "image" for one in told.items.values()) else "text"
    taste = _taste(engine, told, kind)
    ids, vectors = _candidates(engine, told, taste, kind, k, filter)
    if not len(ids):
        return Recommendation((), taste.described(), (*told.notes, "nothing else is left to recommend"))
    scores = taste.score(vectors)
    best = np.argsort(-scores, kind="stable")[: max(DEPTH, 2 * k)]
    ids, vectors, scores = ids[best], vectors[best], scores[best]
    order = diversified(scores, vectors, diversity, np.array([], dtype=np.int64))[:k]
    return Recommendation(
        _reasoned(engine, ids[order], vectors[order], scores[order], taste, kind),
        taste.described(),
        told.notes,
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """A history that was read: what each item counts, by id, and the items that are there."""

    weights: Mapping[int, float]
    items: Mapping[int, Item]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Taste:
    """What was liked, (n, dim) with weights (n,) in interests; and what was not, (m, dim) with (m,)."""

    ids: Ids
    liked: Floats
    weights: Floats
    groups: Sequence[Interest]
    disliked: Ids
    against: Floats
    counts: Floats  # of what was not liked, above 0
    usual: tuple[float, float]  # mean and deviation of the cosines of two items
    around: Floats  # (s, dim): a sample of the gallery

    def score(self, vectors: Floats) -> Floats:
        """Score candidates (c, dim)."""
        near = self._near(vectors, self.liked, self.weights)
        far = self._near(vectors, self.against, self.counts) if len(self.against) else np.float32(0)
        score: Floats = near - np.float32(AGAINST) * far
        return score

    def _near(self, vectors: Floats, others: Floats, weights: Floats) -> Floats:
        mean, deviation = self.usual
        near = np.exp(np.float32(SHARPNESS) * ((vectors @ others.T - mean) / deviation)) @ weights
        scaled: Floats = (near / self.weights.sum()).astype(np.float32)
        return scaled

    def described(self) -> tuple[tuple[float, tuple[int, ...]], ...]:
        return tuple((group.share, tuple(self.ids[list(group.places)].tolist())) for group in self.groups)


def _told(engine: SearchEngine, history: Sequence[Happened], half_life: float, now: float) -> _Told:
    """Weigh a history by kind and age of its events; notes say what was left out."""
    if not history:
        raise BadInput("the history is empty; say at least one item that was liked")
    if len(history) > MAX_HISTORY:
        raise BadInput(
            f"the history has {len(history):,} events, the limit is {MAX_HISTORY:,}; send the latest"
        )
    weights: dict[int, float] = {}
    items: dict[int, Item] = {}
    gone: set[int | str] = set()
    ages = [_age(one, now) for one in history]
    ahead = sum(age < 0 for age in ages)
    newest = max(0.0, min(ages))  # only the differences of ages tell, and 0.5 to their power must not vanish
    for one, age in zip(history, ages, strict=True):
        event = _event(one)
        try:
            found = engine.get(one.item) if isinstance(one.item, int) else engine.find(one.item)
        except ItemNotFound:
            gone.add(one.item)
            continue
        assert found.id is not None, "an item out of a gallery has an id"
        items[found.id] = found
        weights[found.id] = weights.get(found.id, 0.0) + COUNTS[event] * 0.5 ** (
            max(age - newest, 0.0) / half_life
        )
    if not items:
        raise ItemNotFound(f"none of the {len(gone)} items of the history is in the gallery any more")
    notes = (
        [f"{len(gone)} of {len(gone) + len(items)} items are not in the gallery: left out"] if gone else []
    )
    notes += [f"{ahead} of {len(history)} events are in the future: taken as of now"] if ahead else []
    if max(weights.values()) <= 0:
        raise BadInput(
            f"of the {len(weights)} items of the history none is liked more than not, so nothing tells what "
            "to recommend; send what was liked or viewed too"
        )
    return _Told(weights, items, tuple(notes))


def _event(one: Happened) -> Event:
    try:
        return Event(one.event)
    except ValueError:
        known = ", ".join(event.value for event in Event)
        raise BadInput(f"{one.event!r} is no event of a history; there is {known}") from None


def _age(one: Happened, now: float) -> float:
    """Return how old an event is, in days."""
    if one.time is None:
        return 0.0
    if not math.isfinite(one.time):
        raise BadInput(f"the event of item {one.item} has the time {one.time}; give seconds since 1970")
    return (now - one.time) / DAY


def _taste(engine: SearchEngine, told: _Told, kind: Kind) -> _Taste:
    weights = told.weights
    least = LEAST * max(weights.values())
    liked = sorted((i for i, w in weights.items() if w > least), key=lambda i: (-weights[i], i))
    disliked = sorted((i for i, w in weights.items() if w < -least), key=lambda i: (weights[i], i))
    looks = engine.store.looks([*liked, *disliked], OWN[kind])
    liked, disliked = [i for i in liked if i in looks], [i for i in disliked if i in looks]
    if not liked:
        raise BadInput("of what was liked nothing has a vector; run crosslight verify --repair")
    vectors = np.stack([looks[i][1] for i in liked])
    around = sample(engine.store, kind, SAMPLE, SEED)
    cosines = (around @ around.T)[~np.eye(len(around), dtype=bool)]
    usual = (float(cosines.mean()), max(float(cosines.std()), 1e-3)) if len(cosines) else (0.0, 1.0)
    likes = np.array([weights[i] for i in liked], dtype=np.float32)
    return _Taste(
        ids=np.array(liked, dtype=np.int64),
        liked=vectors,
        weights=likes,
        groups=interests(vectors, likes, usual[0] + JOINED * usual[1])[:MOST_INTERESTS],
        disliked=np.array(disliked, dtype=np.int64),
        against=np.stack([looks[i][1] for i in disliked])
        if disliked
        else np.empty((0, vectors.shape[1]), np.float32),
        counts=np.array([-weights[i] for i in disliked], dtype=np.float32),
        usual=usual,
        around=around,
    )


def _candidates(
    engine: SearchEngine, told: _Told, taste: _Taste, kind: Kind, k: int, filter: str | None
) -> tuple[Ids, Floats]:
    """Return what recall finds near each interest and is not of the history, ids with vectors (c, dim)."""
    depth = min(MAX_K, max(DEPTH, 2 * k) + len(told.weights))
    found: dict[int, None] = {}
    for group in taste.groups:
        places = group.places[:MAX_PARTS]
        parts = tuple(Part(item=int(taste.ids[p]), weight=float(taste.weights[p])) for p in places)
        hits = engine.search(Query(parts, kind), k=depth, filter=filter, rerank=False).hits
        found.update({hit.item.id: None for hit in hits if hit.item.id is not None})
    looks = engine.store.looks([item for item in found if item not in told.weights], OWN[kind])
    if not looks:
        return np.empty(0, np.int64), np.empty((0, taste.liked.shape[1]), np.float32)
    return np.array(list(looks), dtype=np.int64), np.stack([vector for _, vector in looks.values()])


def _reasoned(
    engine: SearchEngine, ids: Ids, vectors: Floats, scores: Floats, taste: _Taste, kind: Kind
) -> tuple[Recommended, ...]:
    """Give each item its reason."""
    likeness = vectors @ taste.liked.T
    nearest = (likeness + 1e-6 * taste.weights).argmax(axis=1)
    of = {place: number for number, group in enumerate(taste.groups) for place in group.places}
    words = Words(engine, taste.around)
    made: list[Recommended] = []
    for row, item_id in enumerate(ids.tolist()):
        place = int(nearest[row])
        try:
            item, like = engine.get(item_id), engine.get(int(taste.ids[place]))
        except ItemNotFound:  # another process has just removed it
            continue
        shared = words.shared((item, vectors[row]), (like, taste.liked[place]))
        reason = Reason(like, float(likeness[row, place]), shared)
        made.append(Recommended(len(made) + 1, item, float(scores[row]), of.get(place, 0), reason))
    return tuple(made)
