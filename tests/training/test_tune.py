"""A gallery learns from its own captions: what is better is kept and used, what is not is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import draw
from PIL import Image
from typer.testing import CliRunner

from api.cli.app import app
from engine import BadInput, SearchEngine
from engine.errors import ModelUnavailable
from engine.learned import current, drop, load
from engine.migration import go_back, migrate
from engine.models import load_model
from engine.snapshot import snapshot
from engine.types import Item, Part, Query
from training.gate import paired
from training.pairs import read_pairs
from training.tune import Options, tune

QUICK = Options(steps=150)
PICTURES = {"visual": 1.0}  # their captions would find themselves


def place(engine: SearchEngine, caption: str, number: int) -> int:
    """Return the rank at which the picture of a caption is found."""
    hits = engine.search(caption, k=200, signals=PICTURES).hits
    return next(hit.rank for hit in hits if hit.item.uri.endswith(f"/{number}.png"))


def mean_place(engine: SearchEngine) -> float:
    return float(np.mean([place(engine, caption, n) for n, caption in enumerate(draw()) if n % 5 == 0]))


def test_a_reencoder_finds_better_and_every_reader_uses_it(drawn: Path, tmp_path: Path) -> None:
    with SearchEngine.open(drawn, device="cpu", read_only=True) as reader:
        before = mean_place(reader)
        outcome = tune(drawn, "reencoder", QUICK)
        assert outcome.verdict.accepted and outcome.kept == 1
        found = outcome.verdict.figures["text-to-image"]
        assert found["after"]["R@10"][0] > found["before"]["R@10"][0] + 20 and found["gain"][1] > 0
        assert mean_place(reader) < before / 2  # the reader that was open all along
        trained = reader.info()["trained"]
        assert isinstance(trained, dict) and (trained["set"], trained["in_use"]) == (1, True)
        assert trained["stage"] == "reencoder" and trained["measured_on"] == 15
        snapshot(drawn, tmp_path / "copy.gallery")
        assert drop(drawn) and mean_place(reader) == before and reader.info()["trained"] is None
    with SearchEngine.open(tmp_path / "copy.gallery", device="cpu") as copy:
        assert mean_place(copy) < before / 2
    assert not list(drawn.rglob("*.checkpoint"))
    readme = (drawn / "trained/1/README.md").read_text()
    assert "from 96 of 126 pictures with 126 captions" in readme and "| text-to-image | after |" in readme


def test_words_among_words_are_found_as_before(drawn: Path) -> None:
    """Stored captions stay as they were encoded, so what asks for them must too."""
    with SearchEngine.open(drawn, device="cpu") as engine:
        engine.add(Item(f"text:{n}", "text", caption) for n, caption in enumerate(list(draw())[:20]))
        query = Query((Part(text="a red bar on green"),), "text")
        before = [(hit.item.uri, hit.score) for hit in engine.search(query)]
        assert tune(drawn, "reencoder", QUICK).kept
        assert [(hit.item.uri, hit.score) for hit in engine.search(query)] == before


def test_a_reranker_finds_better_and_says_where_words_looked(drawn: Path) -> None:
    outcome = tune(drawn, "reranker", Options(steps=60, batch=16, family="single"))
    assert outcome.kept == 1 and outcome.card["origin"] == "new weights"
    with SearchEngine.open(drawn, device="cpu") as engine:
        result = engine.search("a red circle on blue", k=3, explain=True, signals=PICTURES)
        assert result.reranked
        hit = result.hits[0]
        assert hit.probability is not None and hit.explanation is not None
        assert set(hit.explanation.contributions) <= {"visual", "late", "fusion"}
        words = hit.explanation.words
        assert [word.word for word in words] == ["a", "red", "circle", "on", "blue"]
        assert all(word.grid.shape == (3, 3) for word in words)
        assert load(drawn, 1).blends.keys() == {("text", "image"), ("image", "text")}
    headed = tune(drawn, "heads", QUICK)  # over a reranker, which they keep, blended anew
    assert headed.model is not None and current(drawn) == 1
    assert load(drawn, 2).blends.keys() == load(drawn, 1).blends.keys()
    reranker = load_model(headed.model, "cpu").reranker
    assert reranker is not None and reranker.supports("text", "image")


def test_it_is_said_which_searches_use_a_reranker(drawn: Path) -> None:
    """Captions beside the pictures bring signals that an open_clip model has learned no balance with."""
    words = ["train", "reranker", "--gallery", str(drawn), "--steps", "60", "--batch", "16"]
    done = CliRunner().invoke(app, [*words, "--family", "single"])
    assert done.exit_code == 0, done.stderr
    assert "; searches of pictures alone use it from now on, those with --signals visual=1; " in done.stdout
    with SearchEngine.open(drawn, device="cpu") as engine:
        assert not engine.search("a red circle").reranked
        assert engine.search("a red circle", signals=PICTURES).reranked
        items = [hit.item for hit in engine.search("a red circle", k=200)]
        engine.add([replace(item, text=None) for item in items])
    drop(drawn)
    captions = {item.uri: (item.text or "",) for item in items}
    outcome = tune(drawn, "reranker", Options(steps=60, batch=16, family="single"), captions)
    assert outcome.used == "searches for pictures by words use it from now on"
    with SearchEngine.open(drawn, device="cpu") as engine:
        assert engine.search("a red circle").reranked


def test_heads_make_a_model_that_the_gallery_is_brought_to(drawn: Path) -> None:
    with SearchEngine.open(drawn, device="cpu") as engine:
        before = mean_place(engine)
        stamp = engine.load().encoder.stamp
    outcome = tune(drawn, "heads", QUICK)
    assert outcome.verdict.accepted and outcome.kept == 1 and current(drawn) is None
    assert outcome.model == f"heads:{drawn}/trained/1"
    headed = load_model(outcome.model, "cpu")
    images = [Image.new("RGB", (48, 48), color) for color in ("red", "blue")]
    with SearchEngine.open(drawn, device="cpu") as engine:
        base = engine.load().encoder
        assert mean_place(engine) == before and base.stamp == stamp != headed.encoder.stamp
    one, other = base.encode_image(images), headed.encoder.encode_image(images)
    assert not np.allclose(one.vectors, other.vectors) and one.tokens is not None
    assert np.array_equal(one.tokens, other.tokens)  # so that a reranker reads what it was trained on
    assert np.allclose(np.linalg.norm(other.vectors, axis=1), 1)
    assert migrate(drawn, outcome.model, device="cpu").switched
    with SearchEngine.open(drawn, device="cpu") as engine:
        after = mean_place(engine)
        assert after < before / 2
        engine.add([Item("text:1", "text", "red")])
    go_back(drawn, device="cpu")
    with SearchEngine.open(drawn, device="cpu") as engine:
        assert mean_place(engine) == before


def test_heads_that_are_not_there(taught: Path, tmp_path: Path) -> None:
    for reference, reason in (
        (str(tmp_path), "has no heads; give the folder of a set"),
        (str(taught / "trained/1"), "has no heads, but a reencoder"),
    ):
        with pytest.raises(ModelUnavailable, match=reason):
            load_model(f"heads:{reference}")


def test_what_is_not_better_is_refused_and_nothing_changes(drawn: Path) -> None:
    outcome = tune(drawn, "reencoder", Options(steps=1))
    assert outcome.kept is None and "no gain beyond chance" in outcome.verdict.reason
    assert current(drawn) is None and not list((drawn / "trained").iterdir())


def test_the_same_again_is_no_better(taught: Path, tmp_path: Path) -> None:
    drawn = Path(shutil.copytree(taught, tmp_path / "drawn.gallery"))
    assert tune(drawn, "reencoder", QUICK).kept is None
    assert current(drawn) == 1


def test_a_seed_gives_the_same_weights_again(drawn: Path, taught: Path) -> None:
    assert tune(drawn, "reencoder", QUICK).kept == 1
    one, other = (load(gallery, 1).reencoder for gallery in (drawn, taught))
    assert one is not None and other is not None
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())


def test_pairs_in_place_of_captions(drawn: Path) -> None:
    with SearchEngine.open(drawn, device="cpu") as engine:
        encoder = engine.load().encoder
        uris = [hit.item.uri for hit in engine.search("red", k=60)]
    given = {uri: (f"picture number {n}", "another") for n, uri in enumerate(uris)} | {"file:///gone": ("x",)}
    pairs = read_pairs(drawn, encoder, given, 0, lambda *_: None)
    assert len(pairs.gallery.pictures) == 60 and len(pairs.gallery.owner) == 120
    shares = [set(part.tolist()) for part in (pairs.train, pairs.fit, pairs.gate)]
    assert set.union(*shares) == set(range(60)) and sum(map(len, shares)) == 60
    part = pairs.part(pairs.fit)
    assert torch.equal(part.pictures, pairs.gallery.pictures[np.sort(pairs.fit)])
    assert torch.equal(part.texts, pairs.gallery.texts[pairs.captions(pairs.fit)])
    with pytest.raises(BadInput, match="none of the 1 pictures of the pairs is in the gallery"):
        read_pairs(drawn, encoder, {"file:///gone": ("x",)}, 0, lambda *_: None)
    with pytest.raises(BadInput, match="has 3 different pictures with captions, training needs 40"):
        read_pairs(drawn, encoder, dict(list(given.items())[:3]), 0, lambda *_: None)


def test_weights_of_another_encoder_are_not_used(taught: Path, tmp_path: Path) -> None:
    drawn = Path(shutil.copytree(taught, tmp_path / "drawn.gallery"))
    config = drawn / "trained/1/config.json"
    config.write_text(config.read_text().replace('"stamp": "', '"stamp": "0'))
    with SearchEngine.open(drawn, device="cpu") as engine:
        assert engine.load().reencoder is None
        trained = engine.info()["trained"]
        assert isinstance(trained, dict) and trained["in_use"] is False


def test_the_paired_bootstrap_by_hand() -> None:
    gains = np.array([100.0, 100.0, 0.0, 0.0])
    mean, low, high = paired(gains, np.array([0, 0, 1, 1]), seed=0)
    assert (mean, low, high) == (50, 0, 100)
    assert paired(np.full(6, 3.0), np.arange(6), seed=0) == [3, 3, 3]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (Options(family="triple"), "no family 'triple'; there are cross, two, single"),
        (Options(width=30), "the width is 30; it must be a multiple of 4"),
        (Options(steps=0), "0 steps at depth 1 train nothing"),
        (Options(batch=1), "the batch is 1"),
    ],
)
def test_options_that_train_nothing(options: Options, reason: str, drawn: Path) -> None:
    with pytest.raises(BadInput, match=reason):
        tune(drawn, "reranker", options)
