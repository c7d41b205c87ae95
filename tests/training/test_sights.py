"""Further networks that learn to look: what of the model moves, and what training keeps of pictures."""

from __future__ import annotations

import copy
import gzip
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import draw
from safetensors.torch import load_file

from engine.encoders.mini import load_mini
from engine.encoders.mini_heads import Head, merged
from engine.encoders.mini_modules import image_tower
from engine.encoders.mini_shape import WordPieces, pixels
from engine.encoders.mini_towers import (
    CLASSES,
    IMAGE_WIDTH,
    MEANS_WIDTH,
    NETWORKS,
    TEXT_WIDTH,
    ImageTower,
    TextTower,
)
from engine.encoders.weights import TEXT_TOWER, TOKENIZER, mini_weights
from engine.errors import BadInput
from training import heads, plain, sights
from training.captions import CaptionPairs
from training.data import Photo, read_photos, read_picture
from training.features import WHOLE, cache_captions, cache_means, cache_view, kept_view
from training.gallery import encode_pictures
from training.heads import Feed
from training.model import Model
from training.plain import Towers, read_texts
from training.telling import cached_tokens

COUNT = 12


def test_networks_add_up() -> None:
    torch.manual_seed(5)
    heads, grids = [Head(8).eval() for _ in NETWORKS], torch.randn(len(NETWORKS), 2, 9, 8)
    vectors, tokens = merged(heads, grids)
    real = torch.ones(2, 9, dtype=torch.bool)
    own = [head(grid, real) for head, grid in zip(heads, grids, strict=True)]
    for merged_part, parts in zip((vectors, tokens), zip(*own, strict=True), strict=True):
        total = torch.stack(parts).sum(0)
        assert torch.allclose(merged_part * torch.linalg.norm(total, dim=-1, keepdim=True), total, atol=1e-5)
        assert torch.allclose(torch.linalg.norm(merged_part, dim=-1), torch.tensor(1.0))


def test_a_box_of_another_picture_counts_by_its_area() -> None:
    pictures = torch.arange(4.0)[:, None, None, None].expand(4, 2, 11, 11)
    shown, mixture = sights.mix(pictures, 1.0, np.random.default_rng(3))
    for own, other, picture in zip(pictures, pictures[mixture.other], shown, strict=True):
        told = mixture.of(torch.eye(4))[int(own.mean())]
        assert 0 < mixture.share < 1 and (picture == own).logical_or(picture == other).all()
        assert torch.allclose(torch.bincount(picture[0].flatten().long(), minlength=4) / 121, told)


def test_batches_stay_as_they_are_where_none_is_mixed() -> None:
    pictures = torch.rand(4, 2, 11, 11)
    shown, mixture = sights.mix(pictures, 0.0, np.random.default_rng(3))
    assert torch.equal(shown, pictures) and torch.equal(mixture.of(torch.eye(4)), torch.eye(4))


def photographs(folder: Path) -> list[Photo]:
    with tarfile.open(folder / "drawn-train-00.tar", "w") as archive:
        for n, (caption, picture) in enumerate(list(draw().items())[:COUNT]):
            file = io.BytesIO()
            picture.save(file, "JPEG")
            texts = json.dumps({"captions": [caption, f"this is {caption}"]}).encode()
            for suffix, content in (("jpg", file.getvalue()), ("json", texts)):
                member = tarfile.TarInfo(f"{n}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    with gzip.open(folder / "captions.jsonl.gz", "wt") as lines:
        lines.write(json.dumps({"captions": ["a dog", "a brown dog"]}))
    return read_photos(folder)


@pytest.fixture(scope="module")
def towers() -> tuple[ImageTower, TextTower, WordPieces]:
    weights = mini_weights()
    text = TextTower(load_file(weights / TEXT_TOWER))
    return image_tower(weights), text, WordPieces(weights / TOKENIZER)


@pytest.fixture
def feed(tmp_path: Path, towers: tuple[ImageTower, TextTower, WordPieces]) -> Feed:
    image, text, pieces = towers
    photos = photographs(tmp_path)
    cache_view(image, photos, WHOLE, tmp_path)
    states = cache_captions(text, pieces, photos, tmp_path)
    corpus = CaptionPairs(tmp_path, text, pieces)
    return Feed(photos, states, [[own] for own in kept_view(tmp_path, WHOLE)], corpus)


@pytest.fixture
def model(towers: tuple[ImageTower, TextTower, WordPieces]) -> Model:
    torch.manual_seed(0)
    return Model(*copy.deepcopy(towers[:2]), dropout=0.0)


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Name the parts that moved; of those that look at pictures, which network's."""
    names = (name.split(".") for name, tensor in after.items() if not torch.equal(tensor, before[name]))
    return {".".join(name[: 2 if name[0].startswith("image") else 1]) for name in names}


@pytest.mark.mini
def test_a_network_learns_and_all_else_stays(
    tmp_path: Path, feed: Feed, model: Model, towers: tuple[ImageTower, TextTower, WordPieces]
) -> None:
    before = copy.deepcopy(model.state_dict())
    names, _ = read_texts(Towers(*towers), model, ["a dog", "a red circle"])
    said = torch.full((COUNT, 2), 0.5)
    known = sights.Known(sights.read_captions(model, feed.states), names, said)
    recipe, checkpoint = sights.Recipe(epochs=2, batch=6, mixed=0.5), tmp_path / "sights.pt"
    started_again = copy.deepcopy(model)
    trained = sights.train(model, feed, 1, known, recipe, checkpoint).state_dict()
    assert moved(before, trained) == {"image_tops.1", "image_heads.1", "vector_scale"}
    kept = checkpoint.stat().st_mtime_ns
    again = sights.train(started_again, feed, 1, known, recipe, checkpoint).state_dict()
    assert not moved(trained, again) and checkpoint.stat().st_mtime_ns == kept  # nothing was left to do


@pytest.mark.mini
def test_the_first_network_learns_with_the_words(tmp_path: Path, feed: Feed, model: Model) -> None:
    before = copy.deepcopy(model.state_dict())
    recipe = heads.Recipe(epochs=1, batch=6, views=1, image_rate=1e-4, text_rate=5e-5, pairs=1)
    trained = heads.train(model, feed, recipe, tmp_path / "heads.pt").state_dict()
    words = {"text_top", "text_head", "late", "vector_scale", "token_scale"}
    assert moved(before, trained) == {"image_tops.0", "image_heads.0", *words}


@pytest.mark.mini
def test_what_training_keeps_of_pictures_is_what_the_tower_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, towers: tuple[ImageTower, TextTower, WordPieces]
) -> None:
    monkeypatch.setattr("training.precision.has_bfloat16", lambda: False)  # its rounding would hide the rest
    image, text, _ = towers
    photos = photographs(tmp_path)[:3]
    means = np.load(cache_means(image, photos, WHOLE, tmp_path))
    with torch.inference_mode():
        grids, expected = image(torch.from_numpy(pixels([read_picture(photo) for photo in photos])))
        model = Model(image, text, dropout=0.0).eval()
        vectors, _ = merged(model.image_heads, grids)
    assert grids.shape[3] == IMAGE_WIDTH
    assert np.allclose(means, expected.numpy(), atol=2e-2)
    found, _ = encode_pictures(model, kept_view(tmp_path, WHOLE), range(3))
    assert torch.allclose(found, vectors, atol=1e-2)


@pytest.mark.mini
def test_features_go_on_where_a_killed_run_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, towers: tuple[ImageTower, TextTower, WordPieces]
) -> None:
    monkeypatch.setattr("training.features.BATCH", 4)
    image, photos = towers[0], photographs(tmp_path)
    gone = [replace(photo, tar=tmp_path / "gone.tar") for photo in photos]
    with pytest.raises(FileNotFoundError):
        cache_view(image, [*photos[:6], *gone[6:]], WHOLE, tmp_path / "killed")
    cache_view(image, [*gone[:4], *photos[4:]], WHOLE, tmp_path / "killed")  # reads four no more
    cache_view(image, photos, WHOLE, tmp_path / "whole")
    for found, expected in zip(
        kept_view(tmp_path / "killed", WHOLE), kept_view(tmp_path / "whole", WHOLE), strict=True
    ):
        assert np.array_equal(found, expected)


@pytest.mark.mini
def test_features_of_other_photographs_are_refused(
    tmp_path: Path, towers: tuple[ImageTower, TextTower, WordPieces]
) -> None:
    image, text, pieces = towers
    photos, cache = photographs(tmp_path)[:3], tmp_path / "cache"
    states = cache_captions(text, pieces, photos, cache)
    cache_view(image, photos, WHOLE, cache)
    elsewhere = [replace(photo, tar=tmp_path / "moved.tar") for photo in photos]
    assert np.array_equal(cache_captions(text, pieces, elsewhere, cache).states, states.states)
    others = [*photos[:2], replace(photos[2], captions=("another", "caption"))]
    for wrong in (others, photos[::-1], photos[:2]):
        with pytest.raises(BadInput, match="cache keeps features of other photographs, captions or weights"):
            cache_captions(text, pieces, wrong, cache)
        with pytest.raises(BadInput, match="name another \\(--work DIR\\)"):
            cache_view(image, wrong, WHOLE, cache)
        with pytest.raises(BadInput):
            cache_means(image, wrong, WHOLE, cache)
    (cache / "photographs.sha256").unlink()  # as an earlier release left it
    with pytest.raises(BadInput, match="cache keeps features and does not say of which photographs"):
        cache_captions(text, pieces, photos, cache)


@pytest.mark.mini
def test_another_recipe_other_data_or_other_weights_begin_anew(
    tmp_path: Path, feed: Feed, model: Model
) -> None:
    recipe, checkpoint = heads.Recipe(epochs=1, batch=6, views=1, pairs=1), tmp_path / "run.pt"
    other = replace(recipe, head_rate=1e-2)
    fewer = replace(feed, photos=[replace(feed.photos[0], split="val"), *feed.photos[1:]])
    moved_on = copy.deepcopy(model)
    torch.nn.init.zeros_(moved_on.token_scale)
    works = [(model, feed, recipe), (model, feed, other), (model, fewer, recipe), (moved_on, feed, recipe)]
    done: dict[str, torch.Tensor] = {}
    for start, data, wanted in works:
        trained = heads.train(copy.deepcopy(start), data, wanted, checkpoint).state_dict()
        assert not done or moved(done, trained)  # what another work has kept was not its outcome
        done = trained


@pytest.mark.mini
def test_plain_heads_of_another_recipe_are_not_read(
    tmp_path: Path, feed: Feed, towers: tuple[ImageTower, TextTower, WordPieces]
) -> None:
    torch.manual_seed(2)
    meaning = torch.from_numpy(feed.states.meaning).float()
    known = plain.Plain(torch.randn(1, COUNT, MEANS_WIDTH), meaning, torch.randn(CLASSES, TEXT_WIDTH))
    made = []
    for rate in (1e-3, 1e-2, 1e-2):
        recipe = plain.Recipe(epochs=1, batch=6, rate=rate)
        joint = plain.train(feed, known, towers[0].classifiers, recipe, tmp_path / "plain.pt")
        made.append(joint.image.line.weight)
    assert not torch.equal(made[0], made[1]) and torch.equal(made[1], made[2])


@pytest.mark.mini
def test_tokens_of_other_photographs_or_weights_are_refused(tmp_path: Path) -> None:
    photos, encoder = photographs(tmp_path)[:2], load_mini()[0]
    tokens = cached_tokens(encoder, photos, tmp_path / "tell")
    assert np.array_equal(cached_tokens(encoder, photos, tmp_path / "tell"), tokens)
    with pytest.raises(BadInput, match="tell keeps features of other photographs, captions or weights"):
        cached_tokens(encoder, photos[::-1], tmp_path / "tell")
    encoder.stamp += " and then trained"
    with pytest.raises(BadInput, match="tell keeps features of other photographs, captions or weights"):
        cached_tokens(encoder, photos, tmp_path / "tell")
