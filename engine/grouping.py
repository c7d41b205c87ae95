"""Near-duplicates among candidates: which stand behind a better one they hardly differ from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.types import Floats, Kind

# the cosine from which two items of a kind are look-alikes, for a model that has no threshold of its own
LOOK_ALIKE: dict[Kind, float] = {"image": 0.95, "text": 0.999}
BLOCK = 512  # candidates compared at a time


@dataclass(frozen=True, slots=True)
class Behind:
    """A candidate behind a better one: its place, how alike they are, and whether they are the same bytes."""

    place: int
    likeness: float
    exact: bool


def grouped(vectors: Floats, digests: Sequence[str], threshold: float) -> dict[int, list[Behind]]:
    """Group n candidates, best first, by content (`digests`) and by look: (n, dim) unit vectors.

    A candidate stands behind the most alike of those that lead a group before it: one of the same
    content, or one whose cosine is at least `threshold`. It is compared with leaders alone, so a chain of
    small differences does not end in a group of strangers. Returns, by the place of each leader
    in order, who stands behind it.
    """
    groups: dict[int, list[Behind]] = {}
    by_digest: dict[str, int] = {}
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        before = np.fromiter(groups, dtype=np.int64)
        earlier = block @ vectors[before].T  # (b, leaders of the blocks before)
        within = block @ block.T  # (b, b)
        led: list[int] = []  # leaders of this block, by their place in it
        for row, digest in enumerate(digests[start : start + BLOCK]):
            place = start + row
            if digest in by_digest:
                groups[by_digest[digest]].append(Behind(place, 1.0, True))
                continue
            likeness = np.concatenate([earlier[row], within[row, led]])
            nearest = int(likeness.argmax()) if len(likeness) else -1
            if nearest >= 0 and likeness[nearest] >= threshold:
                leader = int(before[nearest]) if nearest < len(before) else start + led[nearest - len(before)]
                groups[leader].append(Behind(place, float(likeness[nearest]), False))
            else:
                groups[place], by_digest[digest] = [], place
                led.append(row)
    return groups
