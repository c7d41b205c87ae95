"""Regions: a detector's boxes are torchvision's, they are stored once, and their labels can be searched."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import SIZES
from torchvision.models import detection
from torchvision.transforms.functional import to_tensor

from engine import Item, LabeledRegion, ModelUnavailable, Region, Report, SearchEngine
from engine.detection import MOST, WIDTH, Finder, open_detector
from indexer import index

Saved = Callable[[str], Path]
DOG = LabeledRegion(Region(0.25, 0.5, 0.25, 0.5), "dog")


@pytest.fixture(scope="module")
def checkpoint(saved: Saved) -> Path:
    return saved("detector")


@pytest.fixture(scope="module")
def detector(checkpoint: Path) -> Finder:
    return open_detector(checkpoint)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def names(engine: SearchEngine, words: str, **options: object) -> set[str]:
    result = engine.search(words, signals={"objects": 1}, **options)  # type: ignore[arg-type]
    return {hit.item.uri.rpartition("/")[2] for hit in result}


def test_boxes_are_those_of_torchvision(detector: Finder, checkpoint: Path, photos: Path) -> None:
    image = Image.open(photos / "red.png").convert("RGB")
    saved = torch.load(checkpoint, weights_only=True)
    model = detection.fasterrcnn_mobilenet_v3_large_fpn(
        weights=None, weights_backbone=None, num_classes=3, box_detections_per_img=MOST, **SIZES
    )
    model.load_state_dict(saved["model"])
    with torch.inference_mode():
        (expected,) = model.eval()([to_tensor(image)])

    (found,) = detector.detect([image])

    assert 0 < len(found) <= MOST
    size = np.array([image.width, image.height] * 2)
    boxes = [(r.box.x, r.box.y, r.box.x + r.box.width, r.box.y + r.box.height) for r in found]
    np.testing.assert_allclose(np.array(boxes) * size, expected["boxes"].numpy(), atol=1e-3)
    np.testing.assert_allclose([r.score for r in found], expected["scores"].numpy(), rtol=1e-5)
    assert [r.label for r in found] == [("", "dog", "kite")[n] for n in expected["labels"].tolist()]
    assert all(r.feature is not None and r.feature.shape == (WIDTH,) for r in found)
    assert found[0].feature is not None and np.count_nonzero(found[0].feature) > 0


def test_they_are_stored_at_ingest_and_found_by_their_labels(
    gallery: Path, photos: Path, detector: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in sorted(photos.iterdir())[2:]:
        path.unlink()
    with SearchEngine.open(gallery, model="color") as engine:
        index(engine, [photos])
        assert engine.regions(1) == ()
        assert index(engine, [photos], regions=detector) == Report(updated=2)
        (found,) = detector.detect([Image.open(photos / "black.png").convert("RGB")])
        stored = engine.regions(engine.find((photos / "black.png").as_uri()).id or 0)
        assert [(r.label, r.box) for r in stored] == [(r.label, r.box) for r in found]
        assert stored[0].feature is not None and found[0].feature is not None
        np.testing.assert_allclose(stored[0].feature, found[0].feature, rtol=1e-2, atol=1e-4)
        label = found[0].label
        assert "black.png" in names(engine, label)
        hit = engine.search(label, k=1, explain=True)[0]
        assert hit.signals["objects"] > 0 and hit.item.text is None
        monkeypatch.setattr(detector, "detect", lambda images: pytest.fail("regions are found again"))
        assert index(engine, [photos], regions=detector) == Report(unchanged=2)
        os.utime(photos / "black.png", ns=(1, 1))
        assert index(engine, [photos]) == Report(unchanged=2)
        assert len(engine.regions(engine.find((photos / "black.png").as_uri()).id or 0)) == len(stored)
        engine.remove([(photos / "black.png").as_uri()])
        assert "black.png" not in names(engine, label)


def test_a_picture_that_changes_loses_its_regions(gallery: Path, photos: Path, detector: Finder) -> None:
    with SearchEngine.open(gallery, model="color") as engine:
        engine.add([photos / "red.png"], regions=detector)
        Image.new("RGB", (30, 30), "blue").save(photos / "red.png")
        engine.add([photos / "red.png"])
        assert engine.regions(1) == () and not names(engine, "dog kite")


def test_regions_that_people_drew_prevail(gallery: Path, photos: Path, detector: Finder) -> None:
    item = Item((photos / "red.png").as_uri(), text="a kite", regions=(DOG,))
    with SearchEngine.open(gallery, model="color") as engine:
        engine.add([item, photos / "blue.png"])
        assert engine.regions(1) == (DOG,)
        assert names(engine, "dog") == {"red.png"} and names(engine, "kite") == set()
        assert [hit.item.id for hit in engine.search('red "dog"')] == [1]
        assert engine.add([item]) == Report(unchanged=1)
        engine.add([Item(item.uri, text="another caption")], regions=detector)
        assert engine.regions(1) == (DOG,)
        moved = LabeledRegion(Region(0, 0, 1, 1), "cat")
        assert engine.add([Item(item.uri, text="another caption", regions=(moved,))]) == Report(updated=1)
        assert names(engine, "dog") == set() and names(engine, "cat") == {"red.png"}
        bad = LabeledRegion(Region(5, 5, 20, 20), "cat")
        (reason,) = engine.add([Item(item.uri, regions=(bad,))]).failed.values()
        assert "in shares of the picture, not 'cat'" in reason


def test_checkpoints_that_cannot_be_had(tmp_path: Path, checkpoint: Path) -> None:
    saved = torch.load(checkpoint, weights_only=True)
    torn = tmp_path / "torn.pth"
    torn.write_bytes(checkpoint.read_bytes()[:1000])
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    torch.save(saved["model"], tmp_path / "unnamed.pth")
    fewer = {name: tensor for name, tensor in saved["model"].items() if "inner_blocks" not in name}
    torch.save({"model": fewer, "categories": ["dog", "kite"]}, tmp_path / "fewer.pth")
    for name, message in (
        ("nowhere.pth", "there is no checkpoint of a detector at"),
        ("torn.pth", "cannot be read"),
        ("other.pth", "is no Faster R-CNN as torchvision saves it"),
        ("unnamed.pth", "does not say what its 2 classes are; name them in .*unnamed.txt"),
        ("fewer.pth", "does not fit fasterrcnn_mobilenet_v3_large_fpn: "),
    ):
        with pytest.raises(ModelUnavailable, match=message) as caught:
            open_detector(tmp_path / name)
        assert "\n" not in str(caught.value)
    (tmp_path / "unnamed.txt").write_text("dog\nkite\ncat\ncow\n", "utf-8")
    with pytest.raises(ModelUnavailable, match="has 2 classes, and there are 4 names"):
        open_detector(tmp_path / "unnamed.pth")


def test_other_names_make_another_detector(tmp_path: Path, checkpoint: Path, detector: Finder) -> None:
    (tmp_path / "same.pth").write_bytes(checkpoint.read_bytes())
    assert open_detector(tmp_path / "same.pth").stamp == detector.stamp
    saved = torch.load(checkpoint, weights_only=True)
    torch.save({"model": saved["model"]}, tmp_path / "named.pth")
    stamps = set()
    for names in ("dog\nkite\n", "cat\nkite\n"):
        (tmp_path / "named.txt").write_text(names, "utf-8")
        stamps.add(open_detector(tmp_path / "named.pth").stamp)
    assert len(stamps) == 2


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    (tmp_path / "zoo.pkl").write_bytes(pickle.dumps({"model": {"weight": Touch(str(tmp_path / "touched"))}}))
    with pytest.raises(ModelUnavailable, match=r"cannot be read: it holds a io.open"):
        open_detector(tmp_path / "zoo.pkl")
    assert not (tmp_path / "touched").exists()


def test_a_config_says_how_detectron2_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelUnavailable, match="there is no config of a detector at"):
        open_detector(tmp_path / "model.yaml")
    (tmp_path / "model.yaml").write_text("VERSION: 2\n", "utf-8")
    for name in ("detectron2", "detectron2.config"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ModelUnavailable, match="needs Detectron2, .*; install it from its source with: pip ins"
    ):
        open_detector(tmp_path / "model.yaml")


def test_pictures_of_one_pixel_and_strips_fail_nothing(detector: Finder) -> None:
    found, *strips = detector.detect([Image.new("RGB", size) for size in ((1, 1), (1, 5000), (5000, 1))])
    assert strips == [(), ()]
    assert all(0 <= r.box.x <= 1 for r in found)
