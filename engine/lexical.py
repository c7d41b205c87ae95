"""Words as they are written: which items have those of a query, and how much of what it says they cover.

BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009), as SQLite's FTS5 computes it, over
what an item of average length would get that has every word of the query once: 1 is "all of it".
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log
from sqlite3 import Connection

import numpy as np

from engine.store import Store
from engine.store.words import count_rows, count_word, having_phrase, score_word
from engine.types import Floats, Ids, Kind, Signal

MAX_WORDS = 64  # of a query
ALWAYS_READ = 5000  # items that have a word of the query: so many are read in any gallery,
READ_SHARE = 8  # and one in so many of a large one, the rarest words first
KEPT_WORDS = 32  # whose items are kept, at twelve bytes an item that has one
LEAST = 1e-6  # what FTS5 takes a word to say that is in half of the items or more


@dataclass
class Lexicon:
    """How many items have a word, and which, as found at one revision of the store."""

    items: dict[Signal, int] = field(default_factory=dict)
    counts: dict[tuple[Signal, str], int] = field(default_factory=dict)
    read: OrderedDict[tuple[Signal, str, Kind], tuple[Ids, Floats]] = field(default_factory=OrderedDict)

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
            found = [self._read(connection, signal, word, kind) for word in asked]
        ids, scores = _added(found)
        return ids, scores / np.float32(sum(told.values()))

    def _read(self, connection: Connection, signal: Signal, word: str, kind: Kind) -> tuple[Ids, Floats]:
        """Return the items that have a word; those of the words that were asked last are kept."""
        name = (signal, word, kind)
        if name not in self.read:
            self.read[name] = score_word(connection, signal, word, kind)
        self.read.move_to_end(name)
        while len(self.read) > KEPT_WORDS:
            self.read.popitem(last=False)
        return self.read[name]

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


def _added(found: Sequence[tuple[Ids, Floats]]) -> tuple[Ids, Floats]:
    """Add the scores of several words up, by item, ids ascending."""
    if len(found) == 1:
        return found[0]
    ids, places = np.unique(np.concatenate([ids for ids, _ in found]), return_inverse=True)
    scores = np.bincount(places, np.concatenate([scores for _, scores in found]), len(ids))
    return ids, scores.astype(np.float32)


def having(store: Store, phrase: str) -> Ids:
    """Return the ids, ascending, of the items that say or show these words next to each other."""
    with store.reading() as session:
        return having_phrase(session, phrase)
