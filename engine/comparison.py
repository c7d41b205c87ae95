"""Two models of one gallery compared by what their vectors find, before one takes the other's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from engine.errors import GalleryMismatch, ModelUnavailable
from engine.serving import Serving
from engine.store.candidate import sample_ids, sample_texts
from engine.types import PLACES, Floats, Ids, Place, Signal

K = 10
SAMPLE = 200  # queries taken from the gallery
PICTURES, TEXTS = PLACES["visual"], PLACES["caption"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models find for the same queries, by nearest vectors alone.

    `asked` says what the queries are: texts, or pictures that ask for others near them. `overlap` is the
    mean share of the first ten hits that both have. `recall` has, for "old" and "new", R@1, R@5 and R@10 in
    percent of captions asking for their own picture; it is empty where no picture has a caption.
    """

    queries: int
    asked: Literal["texts", "pictures"]
    overlap: float
    recall: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def compare(old: Serving, new: Serving, queries: Sequence[str] | None) -> Comparison | str:
    """Ask both models the same: `queries`, else captions, else texts, else pictures.

    Returns why not, where they cannot be compared.
    """
    views = [serving.generation.views for serving in (old, new)]
    place = next((place for place in (PICTURES, TEXTS) if all(place in known for known in views)), None)
    if place is None:
        return "there is nothing that both have vectors of"
    captions = sample_texts(old.store, "image", SAMPLE) if place == PICTURES else []
    asked = list(queries or [text for _, text in captions or sample_texts(old.store, "text", SAMPLE)])
    if not asked:
        return _by_pictures(old, new)
    try:
        old.load()
    except (GalleryMismatch, ModelUnavailable):
        return "the weights that made the old vectors are not here any more"
    found = [list(_nearest(serving, asked, place)) for serving in (old, new)]
    most = min(K, len(old.generation.views[place].index))
    recall = {}
    if captions:
        own = np.array([[item_id] for item_id, _ in captions])
        for name, serving in (("old", old), ("new", new)):
            hits = _nearest(serving, [text for _, text in captions], PICTURES) == own  # (captions, K)
            recall[name] = {f"R@{k}": 100 * float(hits[:, :k].any(axis=1).mean()) for k in (1, 5, 10)}
    return Comparison(len(asked), "texts", _overlap(found, most), recall)


def _nearest(serving: Serving, texts: Sequence[str], place: Place) -> Ids:
    vectors = serving.load().encoder.encode_text(texts).vectors
    return serving.generation.views[place].index.search(vectors, K)[1]


def _by_pictures(old: Serving, new: Serving) -> Comparison | str:
    """Let pictures ask by the vectors that both models have made of them; it needs no weights."""
    ids = sample_ids(old.store, "image", SAMPLE)
    vectors = [_looks(serving, ids) for serving in (old, new)]
    asked = [item_id for item_id in ids if all(item_id in known for known in vectors)]
    if len(asked) < 2:
        return "there are no two pictures that both have vectors of, and no text"
    found = []
    for serving, known in zip((old, new), vectors, strict=True):
        index = serving.generation.views[PICTURES].index
        hits = index.search(np.stack([known[item_id] for item_id in asked]), K + 1)[1]
        found.append([row[row != own][:K] for row, own in zip(hits, asked, strict=True)])
    most = min(K, len(old.generation.views[PICTURES].index) - 1)
    return Comparison(len(asked), "pictures", _overlap(found, most))


def _looks(serving: Serving, ids: Sequence[int]) -> dict[int, Floats]:
    """Return the pictures' vectors by id, less those that are damaged, which no index has either."""
    dim = serving.generation.views[PICTURES].index.dim
    looks = serving.store.looks(ids, Signal.VISUAL)
    return {i: look for i, (_, look) in looks.items() if len(look) == dim and 0 < look @ look < np.inf}


def _overlap(found: Sequence[Sequence[Ids]], most: int) -> float:
    """Return the mean share of hits that both have found, -1 past the last, of the `most` there can be."""
    shared = [len(np.intersect1d(a[a >= 0], b[b >= 0])) for a, b in zip(*found, strict=True)]
    return float(np.mean(shared)) / max(1, most)
