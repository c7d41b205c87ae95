"""What a search makes of its own answer: whether anything matches, which hits are sure, what to rerank."""

from __future__ import annotations

import numpy as np

from engine.budget import Pace, afforded, lead_of
from engine.calibration import Calibration
from engine.errors import BadInput
from engine.hybrid import total
from engine.options import Options
from engine.plan import searched
from engine.recall import Recalled, Wanted
from engine.rerank import Candidates
from engine.types import Budget, Floats, Query, Signal

WORDED = {Signal.VISUAL, Signal.CAPTION, Signal.LEXICAL}


def is_plain(query: Query, found: Recalled) -> bool:
    """Say whether one text was asked of pictures alone."""
    return _is_one_text(query) and found.telling == [Signal.VISUAL]


def no_match(query: Query, found: Recalled, wanted: Wanted, known: Calibration | None) -> bool | None:
    """Say whether nothing matches; `None` for a search that was not calibrated.

    Judged is one text, asked of pictures by their cosines, or of pictures with captions by what pictures,
    captions and words say together, under the weights that the model has learned.
    """
    if known is None or not _is_one_text(query):
        return None
    items = searched(wanted.plan)
    if found.telling == [Signal.VISUAL]:
        return known.no_match.says(found.scores[Signal.VISUAL], items)
    together = Signal.VISUAL in found.telling and set(found.telling) <= WORDED
    learned = wanted.learned is not None and all(weight == 1 for weight in wanted.weights.values())
    if known.with_words is None or not (together and learned):
        return None
    return known.with_words.says(total(found.parts), items)


def _is_one_text(query: Query) -> bool:
    return len(query.parts) == 1 and query.parts[0].text is not None and not query.phrases


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
