"""Interests: what somebody likes falls into groups of like things, and each has a vector of its own.

One mean of all that somebody likes lies between the things and near none (Pal et al., PinnerSage,
arXiv 2007.03634), so likes are joined by average linkage as long as they are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.types import Floats

MOST_LIKES = 100  # that are grouped; the weightiest


@dataclass(frozen=True, slots=True)
class Interest:
    """Some of n things: their places, and the share of all weight that they have."""

    places: tuple[int, ...]
    share: float


def interests(vectors: Floats, weights: Floats, alike: float) -> list[Interest]:
    """Group things, (n, dim) unit vectors with positive weights (n,), whose mean cosine is `alike` or more.

    The weightiest interest comes first. The same things give the same groups, in whatever order they come.
    """
    order = np.lexsort((*vectors.T[:8], -weights))[:MOST_LIKES]
    groups = [[int(place)] for place in order]
    cosines = vectors @ vectors.T
    while len(groups) > 1:
        means = _linkage(cosines, groups)
        best = int(means.argmax())
        one, other = divmod(best, len(groups))
        if means[one, other] < alike:
            break
        low, high = sorted((one, other))
        groups[low] += groups.pop(high)
    total = float(weights[order].sum())
    found = [Interest(tuple(group), float(weights[group].sum()) / total) for group in groups]
    return sorted(found, key=lambda interest: -interest.share)


def _linkage(cosines: Floats, groups: Sequence[Sequence[int]]) -> Floats:
    """Return the mean cosine of every two groups, -inf for a group and itself."""
    member = np.zeros((len(groups), len(cosines)), dtype=np.float32)
    for row, group in enumerate(groups):
        member[row, group] = 1 / len(group)
    means = (member @ cosines @ member.T).astype(np.float32)
    np.fill_diagonal(means, -np.inf)
    return means
