"""Recommendation over a real gallery: interests, what is left out, what counts less, reasons, answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import BadInput, Item, ItemNotFound, SearchEngine
from engine.interests import interests
from engine.recommend import DAY, Happened, Recommendation, recommend

SHADES = {"red": (250, 10, 10), "green": (10, 200, 10), "blue": (10, 10, 250)}
PER_SHADE = 8
NOW = 1_800_000_000.0


@pytest.fixture
def engine(gallery: Path) -> Iterator[SearchEngine]:
    """Eight shades of each of three colors, named red-0 … blue-7, of which the first have captions."""
    generator = np.random.default_rng(0)
    items = []
    for name, color in SHADES.items():
        for n in range(PER_SHADE):
            shade = tuple(int(c) for c in np.clip(np.array(color) + generator.integers(-9, 9, 3), 0, 255))
            path = gallery.parent / f"{name}-{n}.png"
            Image.new("RGB", (20, 20), shade).save(path)
            items.append(Item(f"{name}-{n}", picture=path, text=f"the {name} cards of summer {n}"))
    with SearchEngine.open(gallery, model="color") as opened:
        assert opened.add(items).added == 3 * PER_SHADE
        yield opened


def colors(found: Recommendation) -> list[str]:
    return [one.item.uri.split("-")[0] for one in found.items]


def liked(*uris: str) -> list[Happened]:
    return [Happened(uri, "liked") for uri in uris]


def test_every_interest_is_served_and_no_mean_of_them(engine: SearchEngine) -> None:
    found = recommend(engine, liked("red-0", "red-1", "blue-0", "blue-1"), k=8)
    assert [len(ids) for _, ids in found.interests] == [2, 2]
    assert set(colors(found)) == {"red", "blue"}
    assert min(colors(found).count(name) for name in ("red", "blue")) >= 2
    assert {one.interest for one in found.items} == {0, 1}


def test_what_was_seen_does_not_come_back(engine: SearchEngine) -> None:
    seen = [Happened("red-2", "viewed"), Happened("red-3", "skipped"), Happened("red-4", "hidden")]
    found = recommend(engine, [*liked("red-0", "red-1"), *seen], k=24)
    assert not {one.item.uri for one in found.items} & {f"red-{n}" for n in range(5)}
    assert [one.rank for one in found.items] == list(range(1, len(found.items) + 1))


def test_what_was_hidden_counts_against_what_is_like_it(engine: SearchEngine) -> None:
    history = liked("red-0", "blue-0")
    before = colors(recommend(engine, history, k=6))
    hidden = [Happened(f"blue-{n}", "hidden") for n in (1, 2)]
    after = colors(recommend(engine, [*history, *hidden], k=6))
    assert "blue" in before and set(after) == {"red"}


def test_old_likes_fade(engine: SearchEngine) -> None:
    history = [Happened("red-0", "liked", NOW - 120 * DAY), Happened("blue-0", "liked", NOW)]
    found = recommend(engine, history, k=4, half_life=30, now=NOW)
    assert set(colors(found)) == {"blue"}
    shares = [share for share, _ in found.interests]
    assert shares == pytest.approx([16 / 17, 1 / 17])
    assert "red" in colors(recommend(engine, history, k=8, half_life=1e6, now=NOW))


def test_a_reason_names_the_nearest_that_was_liked_and_the_words_they_share(engine: SearchEngine) -> None:
    for one in recommend(engine, liked("red-0", "blue-0"), k=4).items:
        color = one.item.uri.split("-")[0]
        assert one.reason.like.uri == f"{color}-0"
        assert one.reason.words == ("summer", "cards", color)
        assert 0.9 < one.reason.likeness <= 1


def test_without_captions_the_words_are_what_the_model_sees(gallery: Path, photos: Path) -> None:
    shade = photos / "also-red.png"
    Image.new("RGB", (30, 30), (240, 0, 5)).save(shade)
    with SearchEngine.open(gallery, model="color") as engine:
        engine.add(sorted(photos.iterdir()))
        found = recommend(engine, [Happened((photos / "red.png").as_uri(), "liked")], k=1)
    assert Path(found.items[0].item.uri).name == "also-red.png"
    assert "red" in found.items[0].reason.words


def test_a_filter_says_what_may_be_recommended(engine: SearchEngine) -> None:
    found = recommend(engine, liked("red-0"), filter='uri in ("red-5", "blue-5")', k=5)
    assert sorted(one.item.uri for one in found.items) == ["blue-5", "red-5"]
    everything = liked(*(f"{name}-{n}" for name in SHADES for n in range(PER_SHADE)))
    assert recommend(engine, everything).notes == ("nothing else is left to recommend",)


def test_what_is_gone_or_ahead_is_said(engine: SearchEngine) -> None:
    history = [*liked("red-0", "gone-1"), Happened("red-1", "liked", NOW + DAY), Happened(999, "viewed")]
    found = recommend(engine, history, k=2, now=NOW)
    assert found.notes == (
        "2 of 4 items are not in the gallery: left out",
        "1 of 4 events are in the future: taken as of now",
    )
    assert found.interests[0][0] == 1.0 and len(found.items) == 2


@pytest.mark.parametrize(
    ("history", "more", "error", "says"),
    [
        ([], {}, BadInput, "the history is empty"),
        ([Happened("red-0", "hidden")], {}, BadInput, "of the 1 items .* none is liked more than not"),
        ([Happened("gone", "liked"), Happened(99, "liked")], {}, ItemNotFound, "none of the 2 items"),
        (
            [Happened("red-0", "loved")],
            {},
            BadInput,
            "'loved' is no event of a history; there is liked, viewed",
        ),
        ([Happened("red-0", "liked", math.nan)], {}, BadInput, "item red-0 has the time nan"),
        (liked("red-0"), {"k": 0}, BadInput, "k is 0; ask for 1 to"),
        (liked("red-0"), {"half_life": 0}, BadInput, "the half-life is 0 days"),
        (liked("red-0"), {"diversity": 2}, BadInput, "diversity is 2"),
        (liked("red-0") * 10_001, {}, BadInput, "10,001 events, the limit is 10,000"),
    ],
)
def test_what_cannot_be_is_said(
    engine: SearchEngine, history: list[Happened], more: dict[str, float], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        recommend(engine, history, **more)  # type: ignore[arg-type]


def test_interests_do_not_depend_on_the_order() -> None:
    generator = np.random.default_rng(0)
    centers = np.eye(3, 16, dtype=np.float32)
    vectors = centers[np.repeat(range(3), [5, 3, 2])] + generator.normal(0, 0.05, (10, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.ones(10, dtype=np.float32)
    found = interests(vectors, weights, 0.5)
    assert [sorted(one.places) for one in found] == [[0, 1, 2, 3, 4], [5, 6, 7], [8, 9]]
    assert [one.share for one in found] == pytest.approx([0.5, 0.3, 0.2])
    order = generator.permutation(10)
    again = interests(vectors[order], weights, 0.5)
    assert [sorted(order[list(one.places)].tolist()) for one in again] == [
        sorted(one.places) for one in found
    ]
    assert len(interests(vectors, weights, 1.1)) == 10 and len(interests(vectors, weights, -1.0)) == 1
