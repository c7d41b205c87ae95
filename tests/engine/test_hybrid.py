"""Scores of several signals become one, by learned weights or by ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Item, SearchEngine
from engine.hybrid import Balance, by_ranks, fused, read_learnings, total, weigh
from engine.types import Signal

NAN = float("nan")
BALANCE = Balance(pair=0.5, caption=2.0, shift=-0.25, lexical=0.1)
ALL = dict.fromkeys(Signal, 1.0)


def column(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, dtype=np.float32)


def test_an_item_without_a_caption_keeps_its_score() -> None:
    scores = {
        Signal.VISUAL: column(0.4, 0.4, 0.4),
        Signal.CAPTION: column(0.8, NAN, NAN),
        Signal.LEXICAL: column(0.5, NAN, 1.0),
    }
    parts = weigh({"visual": scores[Signal.VISUAL]}, scores, ALL, BALANCE)
    np.testing.assert_allclose(parts["visual"], [0.2, 0.4, 0.4])
    np.testing.assert_allclose(parts["caption"], [1.35, 0, 0])
    np.testing.assert_allclose(parts["lexical"], [0.05, 0, 0.1])
    np.testing.assert_allclose(total(parts), [1.6, 0.4, 0.5])


def test_words_read_by_a_machine_count_as_those_of_people() -> None:
    scores = {Signal.VISUAL: column(0.4, 0.4), Signal.OCR: column(NAN, 1.0)}
    parts = weigh({"visual": scores[Signal.VISUAL]}, scores, {**ALL, Signal.OCR: 3.0}, BALANCE)
    np.testing.assert_allclose(parts["ocr"], [0, 0.3], rtol=1e-6)


def test_one_signal_alone_is_the_score_whatever_was_learned() -> None:
    scores = {Signal.VISUAL: column(0.4, 0.1), Signal.LEXICAL: column(NAN, NAN)}
    for balance in (None, BALANCE):
        assert list(fused(scores, ALL, balance)) == ["recall"]
        np.testing.assert_array_equal(fused(scores, ALL, balance)["recall"], scores[Signal.VISUAL])


def test_ranks_are_fused_as_cormack_has_them() -> None:
    scores = {Signal.VISUAL: column(0.9, 0.2, 0.4), Signal.LEXICAL: column(NAN, 7.0, 3.0)}
    parts = by_ranks(scores, ALL)
    np.testing.assert_allclose(parts["visual"], [1 / 61, 1 / 63, 1 / 62], rtol=1e-6)
    np.testing.assert_allclose(parts["lexical"], [0, 1 / 61, 1 / 62], rtol=1e-6)


def test_by_ranks_nobody_is_behind_for_want_of_a_caption() -> None:
    scores = {Signal.VISUAL: column(0.9, 0.2), Signal.CAPTION: column(NAN, 0.9)}
    sums = total(by_ranks(scores, ALL))
    assert sums[0] == pytest.approx(2 / 61) and sums[0] > sums[1]


def test_a_model_without_learnings_has_none(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"blends": {}}', "utf-8")
    assert read_learnings(config) == {}


@pytest.mark.mini
def test_mini_weighs_captions_and_says_how_sure_it_is(tmp_path: Path) -> None:
    with SearchEngine.open(f"{tmp_path}/g", model="mini") as engine:
        pictures = [Image.new("RGB", (80, 60), color) for color in ("red", "green", "blue")]
        for n, image in enumerate(pictures):
            image.save(f"{tmp_path}/{n}.png")
        said = ("a dog runs through the snow", None, None)
        engine.add(Item(f"p{n}", text=said[n], picture=tmp_path / f"{n}.png") for n in range(3))
        alone = {h.item.uri: h for h in engine.search("a dog in snow", signals={"visual": 1}, explain=True)}
        for rerank in (True, False):
            result = engine.search("a dog in snow", explain=True, rerank=rerank)
            assert result.reranked is rerank and result[0].item.uri == "p0"
            for hit in result:
                assert hit.explanation is not None
                assert sum(hit.explanation.contributions.values()) == pytest.approx(hit.score)
        reranked = {hit.item.uri: hit for hit in engine.search("a dog in snow", explain=True)}
        for uri in ("p1", "p2"):  # without a caption: as if no other had one
            assert reranked[uri].score == pytest.approx(alone[uri].score, rel=1e-5)
            chances = reranked[uri].probability, alone[uri].probability
            assert None not in chances and chances[0] < chances[1]  # beside one whose caption says it
        captioned = reranked["p0"].explanation
        assert captioned is not None and captioned.contributions["caption"] > 0
        assert (reranked["p0"].probability or 0) > (alone["p0"].probability or 0)
        named = engine.search("p1", signals={"visual": 1, "lexical": 1})  # lifted by its name: not measured
        assert {h.item.uri for h in named if h.probability is None} == {"p1"}
