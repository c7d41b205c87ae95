"""Words as they are written: which items have those of a query, and how much of what it says they cover.

BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009), as SQLite's FTS5 computes it, over
what an item of average length would get that has every word of the query once: 1 is "all of it".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log

import numpy as np

from engine.store import Store
from engine.store.words import count_rows, count_word, having_phrase, score_words
from engine.types import Floats, Ids, Kind, Signal

MAX_WORDS = 64  # of a query
ALWAYS_READ = 5000  # items that have a word of the query: so many are read in any gallery,
READ_SHARE = 8  # and one in so many of a large one, the rarest words first
LEAST = 1e-6  # what FTS5 takes a word to say that is in half of the items or more


@dataclass
class Lexicon:
    """How many items have a word, as counted at one revision of the store."""

    items: dict[Signal, int] = field(default_factory=dict)
    counts: dict[tuple[Signal, str], int] = field(default_factory=dict)

    def count(self, store: Store, signal: Signal) -> int:
        """Count the items that have words of a signal."""
        if signal not in self.items:
            with store.asking() as connection:
                self.items[signal] = count_rows(connection, signal)
        return self.items[signal]

    def find(self, store: Store, signal: Signal, texts: Sequence[str], kind: Kind) -> tuple[Ids, Floats]:
        """Return the items of a kind that have words of these texts, ids ascending, with their scores."""
        words = list(dict.fromkeys(w for text in texts for w in re.findall(r"\w+", text.casefold())))
        words = words[:MAX_WORDS]
        self.count(store, signal)
        with store.asking() as connection:
            for word in words:
                if (signal, word) not in self.counts:
                    self.counts[signal, word] = count_word(connection, signal, word)
            told = {word: self._information(signal, word) for word in words}
            asked = self._readable(signal, words)
            if not asked:
                return np.empty(0, np.int64), np.empty(0, np.float32)
            ids, scores = score_words(connection, signal, asked, kind)
        return ids, scores / np.float32(sum(told.values()))

    def _information(self, signal: Signal, word: str) -> float:
        having = self.counts[signal, word]
        return max(LEAST, log((self.items[signal] - having + 0.5) / (having + 0.5)))

    def _readable(self, signal: Signal, words: Sequence[str]) -> list[str]:
        """Return the words that any item has, rarest first, without the commonest where there are many."""
        room = max(ALWAYS_READ, self.items[signal] // READ_SHARE)
        asked: list[str] = []
        for word in sorted(words, key=lambda word: self.counts[signal, word]):
            having = self.counts[signal, word]
            if having and (having <= room or not asked):
                asked.append(word)
                room -= having
        return asked


def having(store: Store, phrase: str) -> Ids:
    """Return the ids, ascending, of the items that say or show these words next to each other."""
    with store.reading() as session:
        return having_phrase(session, phrase)
