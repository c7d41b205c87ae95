"""Telling, the sentences: runs of words are counted in captions, with and without pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from engine.telling.grams import ORDER, STEP, number_of

DISCOUNT = 0.75
LEAST = {2: 3, 3: 4, 4: 6}  # captions that must share a run, for it to be kept
SHORTEST, LONGEST = 5, 22  # words of a caption that is counted


def count_runs(captions: Iterable[Sequence[str]], words: Sequence[str]) -> dict[str, npt.NDArray[np.generic]]:
    """Count runs of words, and return what `Grams` reads; a run with a word that is not known is left out."""
    number = {word: place for place, word in enumerate(words)}
    end, start, unknown = len(words), len(words) + 1, -1
    counts: dict[int, Counter[tuple[int, ...]]] = {n: Counter() for n in range(1, ORDER + 1)}
    for caption in captions:
        if not SHORTEST <= len(caption) <= LONGEST:
            continue
        row = [start, *(number.get(word, unknown) for word in caption), end]
        for n in range(1, ORDER + 1):
            counts[n].update(
                run for i in range(n == 1, len(row) - n + 1) if unknown not in (run := tuple(row[i : i + n]))
            )
    single = np.array([counts[1][word,] for word in range(len(words) + 1)], float) + 0.1
    kept: dict[str, npt.NDArray[np.generic]] = {"first": np.log(single / single.sum()).astype(np.float16)}
    for n in range(2, ORDER + 1):
        kept.update(_laid_out(n, counts[n], counts[n - 1], len(words)))
    return kept


def _laid_out(
    n: int, runs: Counter[tuple[int, ...]], shorter: Counter[tuple[int, ...]], words: int
) -> dict[str, npt.NDArray[np.generic]]:
    """Lay out the runs of one length, as `Grams` reads them."""
    totals: Counter[tuple[int, ...]] = Counter()
    for run, count in runs.items():
        totals[run[:-1]] += count
    rows = sorted(
        (number_of(run[:-1], words), run[-1], (count - DISCOUNT) / totals[run[:-1]])
        for run, count in runs.items()
        if count >= LEAST[n]
    )
    keys = np.array([row[0] for row in rows], np.int64)
    distinct, firsts = np.unique(keys, return_index=True)
    chances = np.log([row[2] for row in rows])
    return {
        f"keys{n}": distinct,
        f"bounds{n}": np.append(firsts, len(rows)).astype(np.int32),
        f"words{n}": np.array([row[1] for row in rows], np.uint16),
        f"chances{n}": np.clip(np.ceil(-chances / STEP), 0, 255).astype(np.uint8),
    }
