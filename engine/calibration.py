"""What was learned of a model beyond its weights: when nothing matches, what looks alike, what a lead says.

They are fitted by `training/answers.py` and lie in the bundle's `config.json`. A model without them says
nothing on these matters rather than guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.types import Floats

DEEPEST = 100  # cosines that are looked at
NEAREST = 10
MIDDLE = 100  # items; the weights are those of a gallery of this size and how they change with its logarithm


def evidence(cosines: Floats) -> npt.NDArray[np.float64]:
    """Describe the cosines of the nearest items, best first, by five numbers.

    The best, its lead over the next, the means of the first ten and of the first hundred, and how far the
    latter spread.
    """
    best = cosines[:DEEPEST].astype(np.float64)
    lead = best[0] - best[1] if len(best) > 1 else 0.0
    return np.array([best[0], lead, best[:NEAREST].mean(), best.mean(), best.std()])


@dataclass(frozen=True, slots=True)
class NoMatch:
    """Tells a query that matches nothing by the cosines of its nearest items.

    Calibrated for single texts asked of pictures, by a logistic over `evidence` whose weights change with
    the logarithm of the number of items. Below the threshold nothing matches; there is one for
    each of several sizes, such that few queries that do match fall below it.
    """

    weights: tuple[float, ...]
    slopes: tuple[float, ...]
    sizes: tuple[int, ...]
    thresholds: tuple[float, ...]

    def score(self, cosines: Floats, items: int) -> float:
        """Say how much speaks for a match among so many items; higher is more."""
        size = self._size(items)
        weights = zip(evidence(cosines).tolist(), self.weights, self.slopes, strict=True)
        return float(sum(told * (weight + slope * size) for told, weight, slope in weights))

    def says(self, cosines: Floats, items: int) -> bool | None:
        """Say whether nothing matches; `None` where there are fewer items than it was calibrated for."""
        if items < self.sizes[0] or len(cosines) < self.sizes[0]:
            return None
        places = [log(size / MIDDLE) for size in self.sizes]
        threshold = np.interp(self._size(items), places, self.thresholds)
        return bool(self.score(cosines, items) < threshold)

    def _size(self, items: int) -> float:
        return log(min(items, self.sizes[-1]) / MIDDLE)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a model knows of its own answers.

    `with_words` is to `no_match` as a gallery with captions is to one without: it judges by what pictures,
    captions and words say together, on the scale of pictures' cosines (`engine/hybrid.py`).
    `look_alike` is the cosine from which two pictures count as one; `lead` how far the first must
    be ahead of the second, in cosine, for reranking to leave it first.
    """

    no_match: NoMatch
    look_alike: float
    lead: float
    with_words: NoMatch | None = None


def read_calibration(folder: Path) -> Calibration | None:
    """Read what a bundle's `config.json` knows, if it does."""
    known = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("calibration")
    if known is None:
        return None
    worded = known.get("with_words")
    return Calibration(
        _no_match(known["no_match"]),
        known["look_alike"],
        known["lead"],
        None if worded is None else _no_match(worded),
    )


def _no_match(known: Mapping[str, Sequence[float]]) -> NoMatch:
    return NoMatch(**{name: tuple(values) for name, values in known.items()})  # type: ignore[arg-type]
