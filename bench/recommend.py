"""Recommendation, leave one out: histories made from captions, the hit rate of what was held out.

    python -m bench.recommend --data DIR [--sets flickr8k coco] [--people N] [--cache DIR] [--json FILE]

DIR holds `flickr8k/flickr8k-val-00.tar` and `coco/coco-val-00.tar`. A topic is a noun that at least two
captions of a picture have, of 8 pictures at least and one in twelve of the set at most; a noun is a word
that often stands between an article or a number and a word such as "is" or "in". A person has two or three
topics, drawn by seed, and likes four pictures of each (of no two topics); one of all these is held out.
They viewed a picture of a topic, and hid two of a topic that is none of theirs. Likes are from the last
thirty days. Beside `engine.recommend` stands the mean vector of what was liked, over the same items: what
was seen is left out of both. In parentheses are 95 % intervals from resampling people.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.dialogue import SETS, fill, interval, words_of
from bench.machine import describe
from engine import SearchEngine
from engine.evaluate import CaptionedPicture
from engine.recommend import DAY, Happened, recommend
from engine.types import Signal
from indexer.captioned import captioned_pictures

CUT = 10
SEED = 0
LIKES = 4  # of each topic
NOW = 1_800_000_000.0
BEFORE = frozenset("a an the two three four several some".split())
BEHIND = frozenset(
    "is are in on with at of and near by wearing while from to through over that who has walking standing "
    "sitting running jumping playing".split()
)


@dataclass(frozen=True, slots=True)
class Person:
    """What somebody did, by picture, and the picture held out."""

    liked: tuple[int, ...]
    viewed: tuple[int, ...]
    hidden: tuple[int, ...]
    held: int


def topics_of(pairs: Sequence[CaptionedPicture]) -> dict[str, list[int]]:
    """Return the pictures of each topic, by the noun that names it."""
    count: Counter[str] = Counter()
    placed: Counter[str] = Counter()
    having: dict[str, Counter[int]] = defaultdict(Counter)
    for n, pair in enumerate(pairs):
        for caption in pair.captions:
            words = words_of(caption)
            count.update(words)
            for before, word, behind in zip(["", *words], words, [*words[1:], "is"], strict=False):
                placed[word] += before in BEFORE and behind in BEHIND
            for word in set(words):
                having[word][n] += 1
    nouns = [
        w
        for w in sorted(count)
        if placed[w] >= 5 and placed[w] >= 0.25 * count[w] and re.match("[a-z]{3}", w)
    ]
    topics = {noun: [n for n, times in having[noun].items() if times >= 2] for noun in nouns}
    return {noun: found for noun, found in topics.items() if 8 <= len(found) <= len(pairs) / 12}


def person_of(topics: Mapping[str, Sequence[int]], generator: np.random.Generator) -> Person:
    """Draw a person."""
    names = sorted(topics)
    while True:
        drawn = generator.permutation(len(names))[: int(generator.integers(2, 4)) + 1]
        *own, other = (topics[names[n]] for n in drawn)
        times = Counter(picture for pictures in own for picture in pictures)
        alone = [[picture for picture in pictures if times[picture] == 1] for pictures in own]
        foreign = [picture for picture in other if picture not in times]
        if min(map(len, alone)) > LIKES + 1 and len(foreign) >= 2:
            break
    picked = [generator.permutation(pictures)[: LIKES + 1].tolist() for pictures in alone]
    liked = [picture for pictures in picked for picture in pictures[:LIKES]]
    held = liked.pop(int(generator.integers(len(liked))))
    hidden = generator.permutation(foreign)[:2].tolist()
    return Person(tuple(liked), (picked[0][LIKES],), tuple(hidden), held)


def history_of(person: Person, ids: Sequence[int], generator: np.random.Generator) -> list[Happened]:
    """Date what a person did."""
    events = [(n, "liked") for n in person.liked] + [(n, "viewed") for n in person.viewed]
    events += [(n, "hidden") for n in person.hidden]
    return [Happened(ids[n], event, NOW - DAY * float(generator.uniform(0, 30))) for n, event in events]


def measure(engine: SearchEngine, pairs: Sequence[CaptionedPicture], people: int) -> dict[str, Any]:
    """Return, by way, the rank of what was held out (0: not among the first ten), of every person."""
    generator = np.random.default_rng(SEED)
    topics = topics_of(pairs)
    ids = [engine.find(f"picture:{pair.key}").id or 0 for pair in pairs]
    looks = engine.store.looks(ids, Signal.VISUAL)
    vectors = np.stack([looks[item][1] for item in ids])
    ranks: dict[str, list[int]] = {"mean vector": [], "recommend": []}
    for number in range(people):
        person = person_of(topics, generator)
        history = history_of(person, ids, generator)
        found = recommend(engine, history, k=CUT, now=NOW)
        ranks["recommend"].append(rank_of(ids[person.held], [one.item.id for one in found.items]))
        scores = vectors @ vectors[list(person.liked)].mean(axis=0)
        scores[[*person.liked, *person.viewed, *person.hidden]] = -np.inf
        best = np.argsort(-scores, kind="stable")[:CUT]
        ranks["mean vector"].append(rank_of(ids[person.held], [ids[n] for n in best]))
        if (number + 1) % 100 == 0:
            print(f"{number + 1} of {people} people", file=sys.stderr)
    return {"topics": len(topics), "ranks": {way: np.array(found) for way, found in ranks.items()}}


def rank_of(wanted: int, ids: Sequence[int | None]) -> int:
    """Return the rank of an item, 0 where it is not there."""
    return ids.index(wanted) + 1 if wanted in ids else 0


def report(name: str, engine: SearchEngine, pairs: Sequence[CaptionedPicture], people: int) -> dict[str, Any]:
    """Measure one set and print its table."""
    measured = measure(engine, pairs, people)
    print(f"\n{name}: {people} people, {measured['topics']} topics, {len(engine)} pictures\n")
    print(f"| | hit rate@{CUT} | nDCG@{CUT} |\n| --- | --- | --- |")
    values = {}
    for way, ranks in measured["ranks"].items():
        gains = np.where(ranks > 0, 1 / np.log2(np.maximum(ranks, 1) + 1), 0.0)
        values[way] = ((ranks > 0).astype(float), gains)
    rows = {way: pair for way, pair in values.items()}
    rows["ahead"] = tuple(a - b for a, b in zip(rows["recommend"], rows["mean vector"], strict=True))
    figures = {way: [interval(column) for column in pair] for way, pair in rows.items()}
    for way, columns in figures.items():
        cells = [f"{mean:.1f} ({low:.1f} to {high:.1f})" for mean, low, high in columns]
        print(f"| {way} | {' | '.join(cells)} |", flush=True)
    return {"people": people, "topics": measured["topics"], "figures": figures}


def main() -> None:
    """Measure every set and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--cache", type=Path, help="keep the galleries there")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    document: dict[str, Any] = {"model": options.model, "seed": SEED, "sets": {}}
    for name in options.sets:
        pairs = list(captioned_pictures(options.data / SETS[name]))
        with TemporaryDirectory() as folder:
            path = options.cache / f"{name}.gallery" if options.cache else Path(folder) / name
            with SearchEngine.open(path, model=options.model) as engine:
                if len(engine) < len(pairs):
                    fill(engine, pairs)
                document["sets"][name] = report(name, engine, pairs, options.people)
    print(f"\nModel {options.model}, seed {SEED}, on {describe()}.")
    if options.json:
        options.json.write_text(json.dumps(document, indent=1), "utf-8")


if __name__ == "__main__":
    main()
