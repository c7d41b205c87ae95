"""The measures by hand, and a measurement through a real engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import BadInput, SearchEngine
from engine.evaluate import CaptionedPicture, bootstrap, evaluate, recall_table


def test_recall_by_hand() -> None:
    ranks = np.array([1, 1, 3, 5, 6, 10, 11, 100])
    table = recall_table(ranks)
    assert table["R@1"] == 100 * 2 / 8
    assert table["R@5"] == 100 * 4 / 8
    assert table["R@10"] == 100 * 6 / 8
    assert table["mean_rank"] == (1 + 1 + 3 + 5 + 6 + 10 + 11 + 100) / 8
    assert table["median_rank"] == (5 + 6) / 2


def test_the_interval_covers_and_narrows() -> None:
    generator = np.random.default_rng(1)
    few = np.where(generator.random(100) < 0.4, 1, 50)
    many = np.tile(few, 25)
    low, high = bootstrap(few, np.arange(100), seed=0)["R@1"]
    point = recall_table(few)["R@1"]
    assert low < point < high
    # the width of a binomial's normal interval, which the percentile interval approaches
    width = 2 * 1.96 * 100 * np.sqrt(point / 100 * (1 - point / 100) / 100)
    assert high - low == pytest.approx(width, rel=0.15)
    narrow = bootstrap(many, np.arange(2500), seed=0)["R@1"]
    assert narrow[1] - narrow[0] == pytest.approx(width / 5, rel=0.15)


def test_queries_of_one_picture_are_one_draw() -> None:
    ranks = np.where(np.random.default_rng(1).random(100) < 0.4, 1, 50)
    alone = bootstrap(ranks, np.arange(100), seed=0)
    repeated = bootstrap(np.repeat(ranks, 5), np.repeat(np.arange(100), 5), seed=0)
    assert repeated == alone  # five equal captions of a picture tell no more than one


def test_evaluate_asks_the_engine(photos: Path, tmp_path: Path) -> None:
    captions = {
        "red": ("red", "a red thing"),
        "green": ("lime",),
        "blue": ("blue", "yellow"),
        "white": ("white",),
    }
    (photos / "yellow.png").write_bytes(b"broken")
    captions["yellow"] = ("yellow",)  # left out, with its caption
    pairs = [CaptionedPicture(name, photos / f"{name}.png", texts) for name, texts in captions.items()]
    stages: list[tuple[str, int, int]] = []
    with SearchEngine.open(tmp_path / "empty", model="color") as engine:
        document = evaluate(
            engine, pairs, dataset="colors", progress=lambda *step: stages.append(step), rerank=False
        )
        with pytest.raises(BadInput, match="has 10 items; evaluation needs an empty gallery"):
            evaluate(engine, pairs, dataset="colors")
    assert document["items"] == {"pictures": 4, "captions": 6}
    assert (document["dataset"], document["model"], document["seed"]) == ("colors", "color", 0)
    recall = document["recall"]
    assert isinstance(recall, dict)
    # "yellow" was said of the blue picture, which is the last to answer it; all else is first
    assert recall["text_to_image"]["R@1"] == pytest.approx(100 * 5 / 6)
    assert recall["text_to_image"]["mean_rank"] == pytest.approx((5 * 1 + 4) / 6)
    assert recall["image_to_text"]["R@1"] == 100  # any of a picture's captions counts
    assert set(document) == {"dataset", "items", "model", "recall", "intervals", "latency_ms", "seed"}
    assert ("recall text_to_image", 6, 6) in stages


def test_nothing_to_evaluate_on(tmp_path: Path) -> None:
    with (
        SearchEngine.open(tmp_path / "empty", model="color") as engine,
        pytest.raises(BadInput, match="of 0 pictures none can be read"),
    ):
        evaluate(engine, [], dataset="none")


def test_diversity_is_a_stage_of_its_own(photos: Path, tmp_path: Path) -> None:
    said = {"red": ("orange",), "green": ("red", "a red thing", "red, red")}
    pairs = [CaptionedPicture(name, photos / f"{name}.png", texts) for name, texts in said.items()]
    with SearchEngine.open(tmp_path / "empty", model="color") as engine:
        document = evaluate(engine, pairs, dataset="colors", rerank=False, diversity=0.9)
    plain, varied = document["recall"], document["diverse"]
    assert isinstance(plain, dict) and isinstance(varied, dict)
    # "orange" is nearer to green than "red" is; to red it comes after three ways to say "red", or after one
    assert plain["image_to_text"]["mean_rank"] == (4 + 2) / 2
    assert varied["image_to_text"]["mean_rank"] == (2 + 2) / 2
