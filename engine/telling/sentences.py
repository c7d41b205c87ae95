"""Writing a caption: a beam search for the sentence that is likely, and that the picture calls for.

The chance of the next word is what the language model says, times how much likelier the picture makes the
word, until
the word is said (a product of experts; the search of arXiv 1411.4952).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.telling.grams import Grams
from engine.types import Floats

NEVER = -1e4


@dataclass(frozen=True, slots=True)
class Manner:
    """How captions are written; the numbers were chosen on held-back photographs.

    `call` is the power of what the picture calls for, `length` the bonus of each word.
    """

    call: float = 0.8
    length: float = 0.5
    beams: int = 8
    shortest: int = 5
    longest: int = 18


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words by number, what they scored, and the logarithm of their chance."""

    words: tuple[int, ...] = ()
    score: float = 0.0
    chance: float = 0.0


@dataclass
class Writer:
    """Writes sentences of one language model; `small` are the words that may come twice."""

    grams: Grams
    small: Floats
    manner: Manner = field(default_factory=Manner)

    def write(self, calls: Floats, allowed: Floats | None = None) -> list[Sentence]:
        """Return the best sentences on a picture, by what it calls for: (words,).

        `allowed` (words,) is 1 for words that may be used; by default all may.
        """
        wanted = np.append(np.clip(calls, -4, 4) * self.manner.call, 0.0)  # END is always as usual
        if allowed is not None:
            wanted[:-1] = np.where(allowed > 0, wanted[:-1], NEVER)
        running, done = [Sentence()], list[Sentence]()
        for length in range(self.manner.longest + 1):
            grown = [new for one in running for new in self._grown(one, wanted, length)]
            grown.sort(key=lambda one: -one.score)
            done += [one for one in grown if one.words[-1] == self.grams.end]
            running = [one for one in grown if one.words[-1] != self.grams.end][: self.manner.beams]
            if not running:
                break
        done = [Sentence(one.words[:-1], one.score, one.chance) for one in done]
        return sorted(done, key=lambda one: -one.score)[: 2 * self.manner.beams]

    def _grown(self, one: Sentence, wanted: Floats, length: int) -> list[Sentence]:
        """Return a sentence with each of the words that may best come next."""
        chances = np.log(np.maximum(self.grams.next(one.words), 1e-12))
        scores = chances + wanted + self.manner.length
        said = list(one.words)
        scores[said] = np.where(self.small[said] > 0, (chances + self.manner.length)[said], NEVER)
        if said:
            scores[said[-1]] = NEVER
        scores[self.grams.end] = NEVER if length < self.manner.shortest else chances[self.grams.end]
        if length == self.manner.longest:
            scores[:-1] = NEVER
        best = np.argpartition(-scores, self.manner.beams)[: self.manner.beams + 1]
        return [
            Sentence(
                (*one.words, int(word)), one.score + float(scores[word]), one.chance + float(chances[word])
            )
            for word in best
            if scores[word] > NEVER / 2
        ]


def as_text(words: Sequence[str]) -> str:
    """Write words as a sentence."""
    return " ".join(words).capitalize() + "."
