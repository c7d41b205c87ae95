"""The autopilot: which kind of index a number of vectors gets, how hard it looks, and what that finds.

It chooses by count and memory, builds or adds to what was built, and then measures recall@10 against the
exact answer, looking harder until it is safely over the target: once among all items, and once among a tenth
of them, as a filter leaves them. Where it is not met, the other kinds that fit are tried. What none can meet
is said in the choice it returns.
"""

from __future__ import annotations

from collections.abc import Mapping

import faiss
import numpy as np

from engine.index import AUTO, FLAT_KINDS, PROBED, TARGET, Choice, Index, make_index, unit
from engine.index.approximate import ApproximateIndex
from engine.index.recipes import RECIPES
from engine.types import Bitmap, Floats

FLAT_LIMIT = 50_000  # below it an exact scan takes a few milliseconds (bench/scale.py)
LEAST = 1_000  # an approximate index of fewer cannot be trained
MARGIN = (
    3  # standard errors by which the sample has to be over it: other queries find less (bench/filters.py)
)
SLACK = 0.01  # of recall, that an index may lose as it grows where it had not met the target before
NOISE = 0.5  # how far a made-up query lies from the vector it is made from, as a share of its length


def kinds_for(wanted: str, items: int, dim: int, memory: int) -> dict[str, str]:
    """Choose the kinds for so many vectors within `memory` bytes, the best first, and say why each."""
    if wanted in FLAT_KINDS:
        return {wanted: "asked for"}
    limit = FLAT_LIMIT if wanted == AUTO else LEAST
    if items < limit:
        return {"flat": f"{items:,} items are fewer than {limit:,}: an exact scan is as fast"}
    if wanted != AUTO:
        return {wanted: "asked for"}
    needed = {kind: items * RECIPES[kind].bytes_per_item(dim) for kind in ("hnsw", "ivf-sq8", "ivf-pq")}
    return {
        kind: f"{size:,} bytes for {items:,} items fit into {memory:,}"
        for kind, size in needed.items()
        if size <= memory
    } or {"ivf-pq": f"nothing fits into {memory:,} bytes; this needs the least"}


def settled(
    held: Index,
    wanted: str,
    memory: int,
    queries: Floats,
    before: Choice | None = None,
    target: float = TARGET,
) -> tuple[Index, Choice]:
    """Return the index that suits what is held, and the choice; `queries` (q, dim) are asked to measure it.

    What is held stays as it is, and may be searched meanwhile. A flat index that suits is returned itself; an
    approximate one gets what came since added to a copy, which costs what those items cost, and is built anew
    where that does not pay, or then finds too little and less than `before`.
    """
    kinds = kinds_for(wanted, len(held), held.dim, memory)
    kind, reason = next(iter(kinds.items()))
    if kind == held.kind and kind in FLAT_KINDS:
        return held, Choice(kind, reason, len(held), recall=1.0)
    if kind in FLAT_KINDS:
        ids, vectors = held.contents()
        flat = make_index(kind, held.dim)
        flat.add(ids, vectors)
        return flat, Choice(kind, reason, len(ids), recall=1.0)
    grown = held.grown() if isinstance(held, ApproximateIndex) and held.kind in kinds else None
    if grown is not None:
        choice = _tuned(grown, kinds[grown.kind], queries, target)
        if _least_recall(choice) >= min(target, _least_recall(before) - SLACK if before else target):
            return grown, choice
    return _best_built(held, kinds, queries, target)


def _best_built(
    held: Index, kinds: Mapping[str, str], queries: Floats, target: float
) -> tuple[Index, Choice]:
    """Build one kind after the other until one meets the target; else return the one that finds most."""
    found: tuple[Index, Choice] | None = None
    missed = ""
    for kind, reason in kinds.items():
        index = ApproximateIndex.build(kind, *held.contents())
        choice = _tuned(index, reason + missed, queries, target)
        if found is None or _least_recall(choice) > _least_recall(found[1]):
            found = index, choice
        if _least_recall(choice) >= target:
            break
        missed += f"; {kind} finds {_least_recall(choice):g} where {target:g} is wanted"
    assert found is not None, "there is a kind for every gallery"
    return found


def _least_recall(choice: Choice) -> float:
    return min(choice.recall or 0.0, choice.strict_recall or 0.0)


def _tuned(index: ApproximateIndex, reason: str, queries: Floats, target: float) -> Choice:
    """Have an index look as hard as it must, measured among all its rows, tombstones too, and a tenth."""
    rows = len(index.vectors)
    probes = np.concatenate([queries[:PROBED], _made_up(index.vectors)])
    effort, recall = _least_effort(index, probes, np.ones(rows, dtype=bool), target)
    tenth = np.random.default_rng(0).random(rows) < 0.1
    strict_effort, strict_recall = _least_effort(index, probes, tenth, target)
    index.effort, index.strict_effort = effort, max(effort, strict_effort)
    if min(recall, strict_recall) < target:
        reason += f"; a recall@10 of {target:g} is not met even at its hardest"
    return Choice(index.kind, reason, len(index), effort, recall, index.strict_effort, strict_recall)


def _least_effort(
    index: ApproximateIndex, probes: Floats, wanted: Bitmap, target: float
) -> tuple[int, float]:
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
        if recall - MARGIN * found.std() / len(found) ** 0.5 >= target:
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
