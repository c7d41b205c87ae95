"""The rules by which the benchmarks make dialogues and histories of captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.dialogue import TURNS, detail_of, dialogue_of
from bench.recommend import LIKES, person_of, topics_of
from engine.evaluate import CaptionedPicture

CAPTIONS = (
    "A brown dog runs.",
    "A dog runs on the wet grass with a red ball.",
    "The dog runs on the grass.",
    "Dogs and a man in the background",
)


def test_a_detail_is_what_was_not_said() -> None:
    assert detail_of(CAPTIONS[1], {"brown", "dog", "run"}) == "on the wet grass with a red ball"
    assert detail_of(CAPTIONS[2], {"dog", "run", "gras", "grass"}) == "The dog runs on the grass"
    dialogue = dialogue_of(CaptionedPicture("k", Path("k.jpg"), CAPTIONS), np.random.default_rng(0))
    assert dialogue.details[0] == dialogue.utterances[0] == "A brown dog runs"
    assert dialogue.details[3] == "and a man in the background"
    assert len(dialogue.utterances) == TURNS
    pairs = zip(dialogue.utterances, dialogue.details, strict=True)
    assert all(said.endswith(detail) for said, detail in pairs)


def test_a_person_likes_topics_and_one_picture_is_held_out() -> None:
    nouns = ("dog", "boat", "snow", "cake")
    pairs = [
        CaptionedPicture(f"{noun}{n}", Path("x.jpg"), (f"a {noun} is here", f"the {noun} in view"))
        for noun in nouns
        for n in range(12)
    ]
    pairs += [CaptionedPicture(f"other{n}", Path("x.jpg"), ("nothing to say",)) for n in range(100)]
    topics = topics_of(pairs)
    assert sorted(topics) == sorted(nouns)
    person = person_of(topics, np.random.default_rng(0))
    seen = {*person.liked, *person.viewed, *person.hidden}
    assert person.held not in seen and len(seen) == len(person.liked) + 1 + 2
    topic = {n: noun for noun, found in topics.items() for n in found}
    own = {topic[n] for n in person.liked}
    assert topic[person.held] in own and not {topic[n] for n in person.hidden} & own
    assert len(person.liked) == LIKES * len(own) - 1
