"""What a search makes of its own answer: whether anything matches, which hits are sure, what to rerank."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.budget import Pace, afforded, lead_of
from engine.calibration import Calibration
from engine.errors import BadInput
from engine.options import Options
from engine.types import Budget, Candidates, Floats, Query, Signal


def is_plain(query: Query, signals: Iterable[Signal]) -> bool:
    """Say whether a search is one that models are calibrated for: one text asked of pictures alone."""
    one_text = len(query.parts) == 1 and query.parts[0].text is not None and not query.phrases
    return one_text and list(signals) == [Signal.VISUAL]


def spared(
    candidates: Candidates | None, options: Options, known: Calibration | None, pace: Pace
) -> tuple[Candidates | None, tuple[str, ...]]:
    """Take the candidates that are worth reranking and within the budget, with a note if some are left out.

    Where the first leads by far reranking hardly ever changes it, so then it is spared, unless somebody
    wants to know why, or how sure the hits are.
    """
    if candidates is None or not isinstance(options.rerank, Budget):
        return candidates, ()
    lead = lead_of(candidates)
    if known is not None and lead >= known.lead and not options.explain and options.precision is None:
        return None, (f"not reranked: the first hit leads by {lead:.2f}, so that would hardly change it",)
    taken, note = afforded(candidates, options.rerank, pace)
    return taken, () if note is None else (note,)


def sure(
    probabilities: Floats | None, count: int, precision: float | None, model: str
) -> tuple[int, tuple[str, ...]]:
    """Tell how many of the best hits are as probable as the precision wanted, with a note if none is.

    Raises `BadInput` where the search gives no probabilities.
    """
    if precision is None or not count:
        return count, ()
    if probabilities is None:
        raise BadInput(
            f"precision {precision} needs the probability of each hit, which {model} does not give for this "
            "search; leave precision out"
        )
    kept = int((probabilities >= precision).sum())
    best = float(np.nanmax(probabilities, initial=0))
    return kept, () if kept else (f"no hit is that sure: the best has a probability of {best:.2f}",)
