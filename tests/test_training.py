"""The arithmetic of the training pipeline: what the model card's figures hang on."""

from __future__ import annotations

import copy
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from engine.encoders.mini_bundle import SCALE, unpacked
from engine.encoders.mini_heads import POOL_HEADS, Head
from engine.encoders.mini_joint import Joint
from engine.encoders.mini_modules import image_tower
from engine.encoders.mini_towers import (
    CLASSES,
    IMAGE_WIDTH,
    MEANS_WIDTH,
    NETWORKS,
    TEXT_WIDTH,
    Classifiers,
    TextTower,
)
from engine.encoders.weights import TEXT_TOWER, mini_weights
from training.calibrate import calibration_error, fit_blend, fit_logistic, reliability
from training.data import read_photos, read_picture, select
from training.descent import rate_at
from training.export import packed
from training.features import CROP, MIRROR, WHOLE, view_of
from training.gallery import Lists
from training.heads import contrast, soft_targets, window, without_ends
from training.measure import interval, recall_at, separation
from training.model import Model, soup
from training.plain import Lesson, Recipe, class_captions, loss_of
from training.precision import narrow, products


def write_tar(path: Path, count: int, captions: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for n in range(count):
            picture = io.BytesIO()
            Image.new("RGB", (32, 24), (n, 0, 0)).save(picture, "JPEG")
            texts = {"captions": [f"picture  {n} caption {c}" for c in range(captions)]}
            for suffix, content in (("jpg", picture.getvalue()), ("json", json.dumps(texts).encode())):
                member = tarfile.TarInfo(f"{path.stem}-{n}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def test_photographs_are_split_the_same_way_each_time(tmp_path: Path) -> None:
    write_tar(tmp_path / "flickr8k" / "flickr8k-train-00.tar", 10, 5)
    write_tar(tmp_path / "flickr8k" / "flickr8k-val-00.tar", 3, 5)
    write_tar(tmp_path / "more" / "flowers-00.tar", 4, 1)
    photos = read_photos(tmp_path)
    assert photos == read_photos(tmp_path)
    # a fifth of a small set is held back, and only where there are several captions
    sizes = {split: len(select(photos, split)) for split in ("train", "held", "val")}
    assert sizes == {"train": 8 + 4, "held": 2, "val": 3}
    assert photos[0].captions[0] == "picture 0 caption 0"  # runs of spaces are one
    assert read_picture(photos[3]).size == (32, 24)


def test_no_data_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no .tar below"):
        read_photos(tmp_path)


def test_views() -> None:
    image = Image.new("RGB", (40, 30), "white")
    image.putpixel((0, 0), (255, 0, 0))
    rng = np.random.default_rng(0)
    assert view_of(image, WHOLE, rng) is image
    assert view_of(image, MIRROR, rng).getpixel((39, 0)) == (255, 0, 0)
    for _ in range(20):
        crop = view_of(image, CROP, rng)
        assert 0.4 * 40 * 30 < crop.width * crop.height <= 40 * 30


def test_windows_are_parts_of_the_activations() -> None:
    grid = np.arange(17 * 17, dtype=np.float16).reshape(1, 17, 17, 1)
    for seed in range(10):
        cut = window([grid], np.array([0]), np.random.default_rng(seed))[0, 0]
        assert cut.shape[0] == cut.shape[1] and cut.shape[0] % 2 == 1
        corner = int(cut[0, 0])
        assert corner // 17 % 2 == 0 and corner % 17 % 2 == 0


def test_what_ships_comes_back_but_for_rounding() -> None:
    random = torch.Generator().manual_seed(3)
    scale = torch.logspace(-3, 1, 120)[:, None, None, None]  # rows of very different sizes
    tensors = {
        "matrix": scale * torch.randn(120, 100, 1, 1, generator=random),
        "empty": torch.zeros(200, 100),
        "row": torch.randn(128, generator=random),
    }
    kept = packed(tensors)
    assert {name: str(tensor.dtype) for name, tensor in kept.items()} == {
        "matrix": "torch.int8",
        "matrix" + SCALE: "torch.float32",
        "empty": "torch.int8",
        "empty" + SCALE: "torch.float32",
        "row": "torch.float16",
    }
    back = {n: torch.from_numpy(t) for n, t in unpacked({n: t.numpy() for n, t in kept.items()}).items()}
    assert back.keys() == tensors.keys() and torch.equal(back["empty"], tensors["empty"])
    assert torch.allclose(back["row"], tensors["row"], rtol=1e-3)
    error = (back["matrix"] - tensors["matrix"]).abs().amax((1, 2, 3))
    assert (error <= tensors["matrix"].abs().amax((1, 2, 3)) / 250).all()


def test_pooling_before_the_projection_is_pooling_after_it() -> None:
    torch.manual_seed(0)
    head = Head(24).eval()
    torch.nn.init.normal_(head.mix[-1].weight)  # type: ignore[arg-type]
    positions, real = torch.randn(3, 7, 24), torch.arange(7) < torch.tensor([[7], [4], [1]])
    normed = head.norm(positions)
    shares = head.scores(normed).masked_fill(~real[..., None], -1e4).softmax(1)
    values = head.values(normed).unflatten(-1, (POOL_HEADS, -1))
    mean = (normed * real[..., None]).sum(1) / real.sum(1, keepdim=True)
    pooled = head.mean(mean) + torch.einsum("nth,nthd->nhd", shares, values).flatten(1)
    expected = torch.nn.functional.normalize(pooled + head.mix(pooled), dim=-1)
    assert torch.allclose(head(positions, real)[0], expected, atol=1e-5)


def test_activations_have_the_type_of_the_products() -> None:
    layer = torch.nn.Conv2d(2, 3, 1)
    with products():
        made = layer(narrow(torch.ones(1, 2, 4, 4, dtype=torch.float16)))
    assert made.dtype == narrow(torch.ones(1)).dtype


def test_contrast_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    rows = (np.log(1 + np.exp(-2)) + np.log(2)) / 2
    assert contrast(logits, torch.eye(2)).item() == pytest.approx(rows, abs=1e-6)  # the columns are the same


def test_soft_targets_add_up_and_favor_what_means_the_same() -> None:
    meaning = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.99, 0.14]])
    target = soft_targets(torch.tensor([0, 1, 2]), meaning, 0.2)
    assert target.sum(1).tolist() == pytest.approx([1, 1, 1])
    assert target[0, 0] > 0.8 and target[0, 2] > 0.05 > target[0, 1]


def test_ends_are_left_out() -> None:
    real = torch.tensor([[True, True, True, True], [True, True, False, False]])
    assert without_ends(real).tolist() == [[False, True, True, False], [False] * 4]


def test_the_rate_warms_up_and_dies_down() -> None:
    rates = [rate_at(step, 100) for step in range(1, 101)]
    assert rates[0] == pytest.approx(0.2) and rates[-1] == pytest.approx(0)
    assert max(rates) > 0.98 and rates[10:] == sorted(rates[10:], reverse=True)


def test_recall_and_its_interval() -> None:
    ranks = np.array([0, 0, 4, 5, 9, 10, 99, 0])
    assert recall_at(ranks) == {1: 37.5, 5: 50.0, 10: 75.0}
    low, high = interval(ranks < 5, np.repeat(np.arange(4), 2))
    assert low < 50 < high
    assert interval(np.ones(4, bool), np.arange(4)) == (100, 100)


def test_separation_by_hand() -> None:
    none, match = np.array([0.4, 0.6], np.float32), np.array([0.9, 0.6], np.float32)
    assert separation(none, match) == pytest.approx(3.5 / 4)  # of four pairs one is even


def test_a_logistic_is_found_again() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(3, 2, 20_000).astype(np.float32)
    chances = 1 / (1 + np.exp(-(1.5 * scores - 4)))
    relevant = rng.random(len(scores)) < chances
    assert fit_logistic(scores, relevant) == pytest.approx((1.5, -4), rel=0.06)
    assert calibration_error(chances.astype(np.float32), relevant) < 0.01
    assert calibration_error(np.full(100, 0.7, np.float32), np.arange(100) < 50) == pytest.approx(
        0.2, abs=1e-6
    )


def test_the_blend_leans_on_the_part_that_tells() -> None:
    rng = np.random.default_rng(5)
    relevant = np.zeros((300, 20), bool)
    relevant[np.arange(300), rng.integers(20, size=300)] = True
    noise = rng.normal(size=(300, 20, 3))
    parts = (noise + 2.0 * relevant[..., None] * np.array([1, 0, 0])).astype(np.float32)
    blend = fit_blend(Lists(np.zeros((300, 20), np.int64), parts, relevant))
    assert blend.visual > 1.5 and blend.late < 0.3 and blend.fusion < 0.3
    assert blend.slope > 0


@pytest.mark.mini
def test_a_soup_is_the_mean_of_its_models() -> None:
    towers = (
        image_tower(mini_weights()),
        TextTower(load_file(mini_weights() / TEXT_TOWER)),
    )
    one = Model(*towers, dropout=0.0)
    other = copy.deepcopy(one)
    with torch.no_grad():
        other.late.sharpness += 4
    mixed = soup([one, other])
    assert mixed.late.sharpness.item() == pytest.approx(one.late.sharpness.item() + 2)
    assert torch.equal(mixed.text_head.mean.weight, one.text_head.mean.weight)
    assert one.late.sharpness.item() == pytest.approx(10)  # those that were mixed stay as they were


def test_plain_heads_learn_pictures_and_what_the_teacher_says_of_them() -> None:
    torch.manual_seed(8)
    joint, networks = Joint(), [torch.nn.Linear(IMAGE_WIDTH, CLASSES) for _ in NETWORKS]
    means, meaning = torch.randn(16, MEANS_WIDTH), torch.randn(16, TEXT_WIDTH)
    lesson = Lesson(Recipe(), torch.randn(CLASSES, TEXT_WIDTH), Classifiers(networks))
    optimizer = torch.optim.AdamW(joint.parameters(), lr=1e-3)
    found = []
    for _ in range(15):
        loss = loss_of(joint, torch.tensor(20.0), means, meaning, lesson)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(loss.item())
    assert found[-1] < found[0] - 2
    scores = joint.text(meaning) @ joint.image(means).T
    assert (scores.argmax(1) == torch.arange(16)).float().mean() > 0.9


def test_each_class_has_a_caption_in_the_order_of_the_classifier() -> None:
    captions = class_captions()
    assert len(captions) == CLASSES
    assert captions[1] == "a photo of a goldfish" and captions[963] == "a photo of a pizza"


def test_reliability_by_hand() -> None:
    chances = np.array([0.1, 0.2, 0.9, 1.0], np.float32)
    found = reliability(chances, np.array([False, True, True, True]), bins=2)
    assert found == pytest.approx(np.array([[0.15, 0.5, 0.5], [0.95, 1, 0.5]]))
