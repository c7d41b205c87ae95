"""The autopilot: which kind of index a number of vectors gets, how hard it looks, and what that finds.

It chooses by count and memory, builds or adds to what was built, and then measures recall@10 against the
exact answer, looking harder until it is safely over the target: once among all items, and once among a tenth
of them, as a filter leaves them. What cannot be met is said in the choice it returns.
"""

from __future__ import annotations

import faiss
import numpy as np

from engine.index import AUTO, FLAT_KINDS, PROBED, Choice, Index, make_index, unit
from engine.index.approximate import ApproximateIndex
from engine.index.recipes import RECIPES
from engine.types import Bitmap, Floats

FLAT_LIMIT = 50_000  # below it an exact scan takes a few milliseconds (bench/scale.py)
LEAST = 1_000  # an approximate index of fewer cannot be trained
TARGET = 0.99
MARGIN = (
    3  # standard errors by which the sample has to be over it: other queries find less (bench/filters.py)
)
SLACK = 0.01  # of recall, that an index may lose as it grows where it had not met the target before
NOISE = 0.5  # how far a made-up query lies from the vector it is made from, as a share of its length


def kind_for(wanted: str, items: int, dim: int, memory: int) -> tuple[str, str]:
    """Choose a kind for so many vectors within `memory` bytes, and say why."""
    if wanted in FLAT_KINDS:
        return wanted, "asked for"
    limit = FLAT_LIMIT if wanted == AUTO else LEAST
    if items < limit:
        return "flat", f"{items:,} items are fewer than {limit:,}: an exact scan is as fast"
    if wanted != AUTO:
        return wanted, "asked for"
    for kind in ("hnsw", "ivf-sq8", "ivf-pq"):
        needed = items * RECIPES[kind].bytes_per_item(dim)
        if needed <= memory:
            return kind, f"{needed:,} bytes for {items:,} items fit into {memory:,}"
    return "ivf-pq", f"nothing fits into {memory:,} bytes; this needs the least"


def settled(
    held: Index, wanted: str, memory: int, queries: Floats, before: Choice | None = None
) -> tuple[Index, Choice]:
    """Return the index that suits what is held, and the choice; `queries` (q, dim) are asked to measure it.

    What is held stays as it is, and may be searched meanwhile. A flat index that suits is returned itself; an
    approximate one gets what came since added to a copy, which costs what those items cost, and is built anew
    where that does not pay, or then finds too little and less than `before`.
    """
    kind, reason = kind_for(wanted, len(held), held.dim, memory)
    if kind == held.kind and kind in FLAT_KINDS:
        return held, Choice(kind, reason, len(held), recall=1.0)
    if kind in FLAT_KINDS:
        ids, vectors = held.contents()
        flat = make_index(kind, held.dim)
        flat.add(ids, vectors)
        return flat, Choice(kind, reason, len(ids), recall=1.0)
    grown = held.grown() if isinstance(held, ApproximateIndex) and held.kind == kind else None
    if grown is not None:
        choice = _tuned(grown, reason, queries)
        if _least_recall(choice) >= min(TARGET, _least_recall(before) - SLACK if before else TARGET):
            return grown, choice
    index = ApproximateIndex.build(kind, *held.contents())
    return index, _tuned(index, reason, queries)


def _least_recall(choice: Choice) -> float:
    return min(choice.recall or 0.0, choice.strict_recall or 0.0)


def _tuned(index: ApproximateIndex, reason: str, queries: Floats) -> Choice:
    """Have an index look as hard as it must, measured among all its rows, tombstones too, and a tenth."""
    rows = len(index.vectors)
    probes = np.concatenate([queries[:PROBED], _made_up(index.vectors)])
    effort, recall = _least_effort(index, probes, np.ones(rows, dtype=bool))
    tenth = np.random.default_rng(0).random(rows) < 0.1
    strict_effort, strict_recall = _least_effort(index, probes, tenth)
    index.effort, index.strict_effort = effort, max(effort, strict_effort)
    if min(recall, strict_recall) < TARGET:
        reason += f"; a recall@10 of {TARGET} is not met even at its hardest"
    return Choice(index.kind, reason, len(index), effort, recall, index.strict_effort, strict_recall)


def _least_effort(index: ApproximateIndex, probes: Floats, wanted: Bitmap) -> tuple[int, float]:
    """Find the least effort that is safely enough among some rows, else the greatest, and its recall."""
    vectors = index.vectors
    some = vectors if wanted.all() else vectors[wanted]
    truth, _ = faiss.knn(probes, some, 10, metric=faiss.METRIC_INNER_PRODUCT)  # block by block, not whole
    effort, recall = 0, 0.0
    for effort in RECIPES[index.kind].efforts:
        rows = index.propose(probes, 10, wanted, effort)  # (q, 10 or more)
        scores = np.einsum("qd,qnd->qn", probes, vectors[rows])
        found = found_of_10(np.where(rows >= 0, scores, -np.inf), truth)
        recall = round(float(found.mean()), 4)
        if recall - MARGIN * found.std() / len(found) ** 0.5 >= TARGET:
            break
    return effort, recall


def found_of_10(found: Floats, truth: Floats) -> Floats:
    """Return for each query the share of its 10 best true scores (q, 10) among (q, n) found ones.

    By scores, not ids: of items that score the same, any is as good as another.
    """
    good = (found >= truth[:, -1:] - 1e-5).sum(axis=1)
    shares: Floats = np.minimum(good, truth.shape[1]) / truth.shape[1]
    return shares


def _made_up(vectors: Floats) -> Floats:
    """Make queries that lie near stored vectors, but are none of them."""
    generator = np.random.default_rng(0)
    some = vectors[generator.integers(0, len(vectors), PROBED)]
    noise = generator.standard_normal(some.shape, dtype=np.float32)
    noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
    return unit(some + noise, vectors.shape[1])
