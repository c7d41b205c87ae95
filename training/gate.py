"""The gate: held-back pairs are searched before and after, and what is not better is not kept.

Every held-back caption looks for its picture among all pictures of the pairs, and every held-back
picture for its captions, as the engine searches: recall, and the first 100 of it reranked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from engine.evaluate import CUTS, RESAMPLES, bootstrap, recall_table
from engine.fusion import FusionModel
from engine.fusion_reranker import Blend, direction
from training.gallery import DIRECTIONS, TEXT_TO_IMAGE, Floats, Gallery, Ints, lists
from training.pairs import Pairs


@dataclass(frozen=True)
class System:
    """What answers: vectors and tokens, and what reranks them, if anything does.

    `asked` (m, dim) are the captions' vectors as pictures are asked with them.
    """

    gallery: Gallery
    asked: Tensor
    fusion: FusionModel | None
    blends: Mapping[tuple[str, str], Blend]

    def searched(self, way: str) -> Gallery:
        """Return the gallery as searches of one direction see it."""
        return replace(self.gallery, texts=self.asked) if way == TEXT_TO_IMAGE else self.gallery


@dataclass(frozen=True)
class Verdict:
    """What the gate has found; `accepted` says whether the new is better.

    `figures` has, by direction, "before" and "after" (R@k in percent, each with its 95 % interval) and
    "gain": the mean of R@1, R@5 and R@10 after less before, with the interval of a paired bootstrap.
    """

    accepted: bool
    reason: str
    figures: Mapping[str, Mapping[str, Any]]


def judge(
    before: System, after: System, pairs: Pairs, seed: int, progress: Callable[[int, int], None]
) -> Verdict:
    """Measure both on the pairs that nothing has seen.

    Accepted is what finds pictures by words better, beyond what chance would give (the interval of the
    gain lies above 0), and does not find words by pictures worse.
    """
    figures: dict[str, dict[str, Any]] = {}
    for done, way in enumerate(DIRECTIONS):
        figures[way] = _compared(before, after, pairs, way, seed)
        progress(done + 1, len(DIRECTIONS))
    low = figures[TEXT_TO_IMAGE]["gain"][1]
    worse = [d for d, found in figures.items() if found["gain"][2] < 0]
    if worse:
        return Verdict(False, f"{worse[0]} got worse", figures)
    if low <= 0:
        reason = "no gain beyond chance on held-back pairs; more pairs, or more steps, may give one"
        return Verdict(False, reason, figures)
    return Verdict(True, f"better on {len(pairs.gate)} held-back pictures", figures)


def _compared(before: System, after: System, pairs: Pairs, way: str, seed: int) -> dict[str, Any]:
    words = pairs.captions(pairs.gate)
    queries = words if way == TEXT_TO_IMAGE else np.sort(pairs.gate)
    owners = pairs.gallery.owner[words] if way == TEXT_TO_IMAGE else queries
    groups = np.unique(owners, return_inverse=True)[1]
    old, new = (ranks(system, way, queries) for system in (before, after))
    return {
        "queries": len(queries),
        "before": _measured(old, groups, seed),
        "after": _measured(new, groups, seed),
        "gain": paired(_found(new) - _found(old), groups, seed),
    }


def _measured(found: Ints, groups: Ints, seed: int) -> dict[str, list[float]]:
    table, intervals = recall_table(found), bootstrap(found, groups, seed)
    return {name: [table[name], *interval] for name, interval in intervals.items()}


def _found(found: Ints) -> Floats:
    """Make one number a query: the mean of R@1, R@5 and R@10, in percent."""
    means: Floats = 100 * np.mean([found <= k for k in CUTS], axis=0)
    return means


def paired(gains: npt.NDArray[Any], groups: Ints, seed: int) -> list[float]:
    """Return the mean gain and its 95 % interval, resampling the groups (n,) that queries belong to."""
    sums, counts = np.bincount(groups, gains), np.bincount(groups)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    return [float(gains.mean()), *(float(value) for value in np.percentile(means, [2.5, 97.5]))]


def ranks(system: System, way: str, queries: Ints) -> Ints:
    """Rank (from 1) of the first right answer to each query."""
    gallery = system.searched(way)
    recall = gallery.recall(way, queries)
    items = np.arange(recall.shape[1])
    owners = items if way == TEXT_TO_IMAGE else gallery.owner
    asked = gallery.owner[queries] if way == TEXT_TO_IMAGE else queries
    right = np.where(owners == asked[:, None], recall, -np.inf).max(1)
    places: Ints = 1 + (recall > right[:, None]).sum(1)
    blend = system.blends.get(direction(way))
    if system.fusion is None or blend is None:
        return places
    found = lists(system.fusion, gallery, way, queries)
    scores = found.parts @ np.array([blend.visual, blend.late, blend.fusion], np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")
    relevant = np.take_along_axis(found.relevant, order, 1)
    return np.where(relevant.any(1), 1 + relevant.argmax(1), places)
