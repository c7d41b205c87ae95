"""What two items have in common, in words: of their captions and tags, else what the model sees in both."""

from __future__ import annotations

import re
from weakref import WeakKeyDictionary

import numpy as np

from engine.search import SearchEngine
from engine.store.words import tags_of
from engine.types import Floats, Item

MOST = 3  # words of a reason
SEEN = 1.0  # deviations above what other items have, from which the model is taken to see a word
COMMON = frozenset(
    "a an the this that these those some another other one two three its his her their of on in at by "
    "with and or as to into from up down over under for while which who is are was be being has have it "
    "he she they there near next out off through across behind front side very large small picture "
    "photo image".split()
)
NO_WORDS = frozenset({"name", "folder", "taken", "camera"})  # say where a picture is and how it was made
# What photographs show: the words that the model is asked for where items have none of their own.
VOCABULARY: tuple[str, ...] = tuple(
    "people man woman child baby crowd face dog cat horse cow sheep bird elephant giraffe zebra bear "
    "fish insect snow ice rain fog sky clouds sunset night sun moon stars fire smoke sea beach sand "
    "waves lake river waterfall mountain hill rocks cliff forest trees leaves flowers grass field "
    "garden park desert farm road street bridge path stairs city buildings house tower church temple "
    "castle wall bricks window door roof ruins statue market shop restaurant kitchen bathroom bedroom "
    "office table chair sofa bed lamp mirror clock books computer phone food fruit vegetables bread "
    "cake pizza coffee wine plate bottle car truck bus train tracks bicycle motorcycle boat ship "
    "airplane kite umbrella hat coat dress glasses bag ball frisbee football baseball tennis basketball "
    "skateboard surfboard skis snowboard swimming running jumping climbing dancing sitting sleeping "
    "eating playing cooking music guitar painting drawing toy balloon flag sign letters map metal wood "
    "glass stone water cloth red green blue yellow orange pink purple brown black white gray stripes "
    "pattern texture shadow reflection".split()
)
_vectors: WeakKeyDictionary[SearchEngine, Floats] = WeakKeyDictionary()


class Words:
    """Finds the words that two items share; `around` (s, dim) is a sample of the gallery."""

    def __init__(self, engine: SearchEngine, around: Floats) -> None:
        self._engine = engine
        self._around = around
        self._usual: tuple[Floats, Floats] | None = None  # of each word: mean and deviation over the sample

    def shared(self, one: tuple[Item, Floats], other: tuple[Item, Floats]) -> tuple[str, ...]:
        """Return up to three words of two items, each with its vector (dim,); of those written, the longest.

        Where one of the items has no words of its own, they are those that the model sees in both.
        """
        mine, others = _written(one[0]), _written(other[0])
        if mine and others:
            common = [word for word in mine if _stem(word) in {_stem(w) for w in others}]
            return tuple(sorted(dict.fromkeys(common), key=len, reverse=True)[:MOST])
        if not len(self._around):
            return ()
        seen = np.minimum(self._seen(one[1]), self._seen(other[1]))
        best = np.argsort(-seen)[:MOST]
        return tuple(VOCABULARY[place] for place in best.tolist() if seen[place] >= SEEN)

    def _seen(self, vector: Floats) -> Floats:
        """Return by how many deviations each word fits an item better than it fits others."""
        words = self._vocabulary()
        if self._usual is None:
            around = self._around @ words.T
            self._usual = around.mean(axis=0), np.maximum(around.std(axis=0), 1e-6)
        mean, deviation = self._usual
        seen: Floats = (words @ vector - mean) / deviation
        return seen

    def _vocabulary(self) -> Floats:
        if self._engine not in _vectors:
            _vectors[self._engine] = self._engine.encode(VOCABULARY)
        return _vectors[self._engine]


def _written(item: Item) -> list[str]:
    """Return the words of an item's caption and tags that say something."""
    tags = tags_of({name: value for name, value in item.metadata.items() if name not in NO_WORDS})
    text = f"{item.text or ''}\n{tags}".casefold()
    return [word for word in re.findall(r"[^\W\d_]{3,}", text) if word not in COMMON]


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
