"""FusionReranker: the parts, the blend, the probability and the maps."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engine.encoders.mini import MiniEncoder, load_mini
from engine.fusion_reranker import FusionReranker, surroundings
from engine.rerank import Candidates, Read
from engine.types import Encoded, Kind

pytestmark = pytest.mark.mini

TEXT = "a red ball on the grass"


@pytest.fixture(scope="module")
def loaded() -> tuple[MiniEncoder, FusionReranker]:
    return load_mini()


@pytest.fixture(scope="module")
def pictures(loaded: tuple[MiniEncoder, FusionReranker]) -> Encoded:
    images = [Image.new("RGB", (120, 120), color) for color in ("green", "white", "blue")]
    ImageDraw.Draw(images[0]).ellipse((5, 5, 40, 40), fill="red")
    return loaded[0].encode_image(images)


def candidates(query: Encoded, items: Encoded, kind: Kind = "image") -> Candidates:
    assert items.tokens is not None and items.lengths is not None
    recall = (items.vectors @ query.vectors[0]).astype(np.float32)
    return Candidates(kind, np.arange(len(items)), recall, items.tokens, items.lengths)


def test_it_knows_the_two_directions(loaded: tuple[MiniEncoder, FusionReranker]) -> None:
    reranker = loaded[1]
    assert reranker.supports("text", "image") and reranker.supports("image", "text")
    assert not reranker.supports("text", "text") and not reranker.supports("image", "image")
    assert reranker.probability(np.zeros(1, np.float32), "text", "text", 10) is None


def test_parts_are_float32_and_recall_counts(
    loaded: tuple[MiniEncoder, FusionReranker], pictures: Encoded
) -> None:
    encoder, reranker = loaded
    query = encoder.encode_text([TEXT])
    parts = reranker.score(Read("text", "", query), candidates(query, pictures))
    assert set(parts) == {"visual", "late", "fusion"}
    assert all(part.dtype == np.float32 and part.shape == (3,) for part in parts.values())
    visual = parts["visual"] / (pictures.vectors @ query.vectors[0])
    assert visual[0] > 0 and visual == pytest.approx(visual[0], rel=1e-3)  # recall times one weight


def test_a_candidate_scores_the_same_in_any_company(
    loaded: tuple[MiniEncoder, FusionReranker], pictures: Encoded
) -> None:
    encoder, reranker = loaded
    query = encoder.encode_text([TEXT])
    together = reranker.score(Read("text", "", query), candidates(query, pictures))
    assert pictures.tokens is not None and pictures.lengths is not None
    last = Encoded(pictures.vectors[2:], pictures.tokens[2:], pictures.lengths[2:])
    alone = reranker.score(Read("text", "", query), candidates(query, last))
    for name, part in together.items():
        assert part[2] == pytest.approx(alone[name][0], abs=1e-4)


def test_both_directions_judge_a_pair_by_the_same_tokens(
    loaded: tuple[MiniEncoder, FusionReranker], pictures: Encoded
) -> None:
    encoder, told = loaded
    even = {d: replace(blend, late=1.0, fusion=1.0) for d, blend in told.blends.items()}
    reranker = FusionReranker(told.judge, lambda: told.model, even, lambda text: [], "stamp")
    assert pictures.tokens is not None and pictures.lengths is not None
    picture = Encoded(pictures.vectors[:1], pictures.tokens[:1], pictures.lengths[:1])
    for words in (TEXT, "two dogs"):
        text = encoder.encode_text([words])
        there = reranker.score(Read("text", "", text), candidates(text, picture))
        back = reranker.score(Read("image", "", picture), candidates(picture, text, "text"))
        assert back["late"] == pytest.approx(there["late"], abs=1e-5) and there["late"] != 0
        assert back["fusion"] == pytest.approx(there["fusion"], abs=1e-5) and there["fusion"] != 0


def test_probability_is_a_logistic_of_the_score(loaded: tuple[MiniEncoder, FusionReranker]) -> None:
    reranker = loaded[1]
    scores = np.array([5, 10, 11, 12, 13], np.float32)
    chances = reranker.probability(scores, "text", "image", 1000)
    assert chances is not None and chances.dtype == np.float32
    assert (np.diff(chances) >= 0).all() and chances[0] >= 0 and chances[-1] <= 1
    logits = [math.log(p / (1 - p)) for p in chances[1:4].tolist()]
    assert logits[2] - logits[1] == pytest.approx(logits[1] - logits[0], rel=1e-2)


def test_the_same_score_says_less_among_more_items(loaded: tuple[MiniEncoder, FusionReranker]) -> None:
    told = loaded[1]
    blend = replace(told.blends["text", "image"], crowd=1.0, among=1000.0, rivals=0.0, level=0.0)
    reranker = FusionReranker(
        told.judge, lambda: told.model, {("text", "image"): blend}, lambda text: [], "stamp"
    )
    score = np.array([-blend.offset / blend.slope], np.float32)  # even odds among a thousand
    odds = {}
    for items in (0, 1, 20, 1000, 2000):
        chances = reranker.probability(score, "text", "image", items)
        assert chances is not None
        odds[items] = float(chances[0] / (1 - chances[0]))
    assert odds[1000] == pytest.approx(1, rel=1e-3) and odds[2000] == pytest.approx(0.5, rel=1e-3)
    assert odds[20] == pytest.approx(50, rel=1e-3) and odds[0] == odds[1]


def test_every_word_has_a_map_and_a_share(
    loaded: tuple[MiniEncoder, FusionReranker], pictures: Encoded
) -> None:
    encoder, reranker = loaded
    query = encoder.encode_text([TEXT])
    explained = reranker.explain(Read("text", TEXT, query), candidates(query, pictures))
    assert len(explained) == 3
    for maps in explained:
        assert [word.word for word in maps] == TEXT.split()
        assert sum(word.weight for word in maps) == pytest.approx(1, abs=1e-5)
        for word in maps:
            assert word.grid.shape == (9, 9) and word.grid.dtype == np.float32
            assert word.grid.min() >= 0 and word.grid.sum() == pytest.approx(1, abs=1e-5)


def test_a_text_without_words_neither_scores_nor_explains(
    loaded: tuple[MiniEncoder, FusionReranker], pictures: Encoded
) -> None:
    encoder, reranker = loaded
    query = encoder.encode_text([""])
    found = candidates(query, pictures)
    parts = reranker.score(Read("text", "", query), found)
    assert parts["late"].tolist() == [0, 0, 0] and parts["fusion"].tolist() == [0, 0, 0]
    assert reranker.explain(Read("text", "", query), found) == [(), (), ()]


def test_a_hundred_candidates_take_no_time_to_speak_of(
    loaded: tuple[MiniEncoder, FusionReranker], pictures: Encoded
) -> None:
    encoder, reranker = loaded
    query = encoder.encode_text(["two women are skateboarding down the hill in the sun"])
    found = candidates(query, pictures)
    many = Candidates(
        "image",
        np.arange(99),
        *(np.tile(a, (33,) + (1,) * (a.ndim - 1)) for a in (found.recall, found.tokens, found.lengths)),
    )
    reranker.score(Read("text", "", query), many)
    began = time.perf_counter()
    reranker.score(Read("text", "", query), many)
    # the aim is 60 ms; tests share their processor, so only something gone badly wrong fails here
    assert time.perf_counter() - began < 2


def test_a_score_says_less_where_others_have_it_too() -> None:
    high, low = np.full(12, 3.0, np.float32), np.full(12, -3.0, np.float32)
    high[0] = low[0] = 4.0
    (rivals, level), (fewer, lower) = surroundings(high, 0.0), surroundings(low, 0.0)
    assert rivals == pytest.approx(math.log(math.exp(4) + 11 * math.exp(3))) and level == pytest.approx(3.1)
    assert fewer < rivals and lower < level
    pair = surroundings(high[:2], -1.0)  # beside eight strangers
    assert pair[1] == pytest.approx((4 + 3 - 8) / 10)
