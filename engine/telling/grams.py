"""How sentences go on: a language model of runs of up to four words, counted in captions.

Absolute discounting with interpolation (Chen and Goodman, 1999): what a longer run leaves over is shared
out as a
shorter one says. Runs that few captions have are left out, so no caption can be read from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from engine.types import Floats

ORDER = 4
STEP = 1 / 16  # of a logarithm, as it is kept: one byte reaches down to e ** -16


class Grams:
    """The chances of the next word; words are numbers, and END is the last of them."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Read what training has kept.

        `first` (words + 1,) are logarithms of single words, END being the last of them. For n = 2 to
        ORDER: `keysN` (c,), ascending, number the runs of n - 1 words that something is known of; row i
        of them is followed by `wordsN[boundsN[i]:boundsN[i + 1]]` with `chancesN`, logarithms in steps
        of STEP.
        """
        self.first: Floats = np.exp(arrays["first"].astype(np.float32))
        self.words = len(self.first) - 1
        self.end = self.words
        self.start = self.words + 1
        self._runs = {
            n: tuple(arrays[f"{name}{n}"] for name in ("keys", "bounds", "words", "chances"))
            for n in range(2, ORDER + 1)
        }

    def next(self, said: Sequence[int]) -> Floats:
        """Return the chance of each word, and of END, after some words: (words + 1,), adding up to 1."""
        chances = self.first
        before = [self.start, *said]
        for n in range(2, ORDER + 1):
            if len(before) < n - 1:
                break
            found = self._after(n, before[-(n - 1) :])
            if found is None:
                break
            words, known = found
            chances = chances * max(0.0, 1 - float(known.sum()))
            chances[words] += known
        return chances

    def _after(self, n: int, run: Sequence[int]) -> tuple[npt.NDArray[np.generic], Floats] | None:
        keys, bounds, words, chances = self._runs[n]
        key = number_of(run, self.words)
        row = int(np.searchsorted(keys, key))
        if row == len(keys) or int(keys[row]) != key:
            return None
        some = slice(int(bounds[row]), int(bounds[row + 1]))
        return words[some], np.exp(chances[some].astype(np.float32) * -STEP)


def number_of(run: Sequence[int], words: int) -> int:
    """Number a run of words; of one length, no two have the same."""
    key = 0
    for word in run:
        key = key * (words + 2) + word
    return key
