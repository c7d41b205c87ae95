"""Regions by Detectron2, where it is installed: its own boxes, and features as LXMERT reads them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torchvision.ops import roi_align

from engine import ModelUnavailable, Report, SearchEngine
from engine.detection import MOST, WIDTH, open_detector
from engine.telling import open_answerer
from indexer import index

pytest.importorskip("detectron2")
pytestmark = [  # of Detectron2's own code, by newer versions of torch
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning"),
]
Saved = Callable[[str], Path]


@pytest.fixture
def picture() -> Image.Image:
    image = Image.new("RGB", (61, 40), "green")
    draw = ImageDraw.Draw(image)
    draw.rectangle((5, 5, 30, 35), fill=(200, 30, 90))
    draw.ellipse((35, 10, 58, 25), fill=(20, 40, 250))
    return image


def predictor(config: Path) -> Any:
    """The same detector, by Detectron2 alone."""
    from detectron2.config import get_cfg
    from detectron2.engine import DefaultPredictor

    cfg = get_cfg()
    cfg.merge_from_file(str(config))
    cfg.MODEL.WEIGHTS = str(config.parent / cfg.MODEL.WEIGHTS)
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.05
    cfg.TEST.DETECTIONS_PER_IMAGE = MOST
    return DefaultPredictor(cfg)


def pooled(alone: Any, picture: Image.Image, boxes: torch.Tensor) -> torch.Tensor:
    """Features of boxes in the picture's pixels, of what reads regions, or of the last stage."""
    pixels = np.asarray(picture)[:, :, :: -1 if alone.input_format == "BGR" else 1]
    resized = alone.aug.get_transform(pixels).apply_image(pixels)
    batch = alone.model.preprocess_image([{"image": torch.tensor(resized.transpose(2, 0, 1).copy())}])
    high, wide = batch.image_sizes[0]
    at = boxes * torch.tensor([wide / picture.width, high / picture.height] * 2)
    heads = alone.model.roi_heads
    if hasattr(heads, "res5"):
        stage = alone.model.backbone(batch.tensor)["res4"]
        around = roi_align(stage, [at], 14, 1 / 16, sampling_ratio=0, aligned=True)
        return torch.as_tensor(heads.res5(around).mean(dim=(2, 3)))
    stage = alone.model.backbone.bottom_up(batch.tensor)["res5"]
    return torch.as_tensor(roi_align(stage, [at], 7, 1 / 32, 2, aligned=True).mean(dim=(2, 3)))


@pytest.mark.parametrize("name", ["detectron2-c4", "detectron2-fpn"])
def test_boxes_and_features_are_those_of_detectron2(saved: Saved, picture: Image.Image, name: str) -> None:
    alone = predictor(saved(name))
    expected = alone(np.asarray(picture)[:, :, ::-1])["instances"]
    (found,) = open_detector(saved(name)).detect([picture])

    assert 0 < len(found) <= MOST
    boxes = [(r.box.x, r.box.y, r.box.x + r.box.width, r.box.y + r.box.height) for r in found]
    pixels = np.array(boxes) * np.array([picture.width, picture.height] * 2)
    np.testing.assert_allclose(pixels, expected.pred_boxes.tensor.numpy(), atol=1e-3)
    np.testing.assert_allclose([r.score for r in found], expected.scores.numpy(), rtol=1e-5)
    assert [r.label for r in found] == [("dog", "kite")[n] for n in expected.pred_classes.tolist()]
    features = np.stack([r.feature for r in found if r.feature is not None])
    with torch.inference_mode():
        narrow = pooled(alone, picture, expected.pred_boxes.tensor).numpy()
    assert features.shape == (len(found), WIDTH) and narrow.shape == (len(found), 128)
    np.testing.assert_allclose(features[:, :128], narrow, rtol=1e-3, atol=1e-4)
    assert np.ptp(narrow, axis=0).max() > 1e-3 and not features[:, 128:].any()


def test_weights_of_the_model_zoo_give_the_same(saved: Saved, picture: Image.Image, tmp_path: Path) -> None:
    config = saved("detectron2-c4")
    state = torch.load(config.parent / "weights.pth", weights_only=True)["model"]
    arrays = {name: tensor.numpy() for name, tensor in state.items()} | {"pixel_mean": np.zeros(3)}
    (tmp_path / "zoo.pkl").write_bytes(pickle.dumps({"model": arrays, "__author__": "the model zoo"}))
    text = re.sub("WEIGHTS: weights.pth", "WEIGHTS: zoo.pkl", config.read_text("utf-8"))
    (tmp_path / "model.yaml").write_text(text, "utf-8")
    (tmp_path / "model.txt").write_text("dog\nkite\n", "utf-8")
    detector, zoo = open_detector(config), open_detector(tmp_path / "model.yaml")
    ((first, *_),), ((same, *_),) = detector.detect([picture]), zoo.detect([picture])
    assert (first.box, first.label, first.score) == (same.box, same.label, same.score)
    assert detector.stamp != zoo.stamp


def test_its_regions_are_stored_searched_and_answered_by(saved: Saved, gallery: Path, photos: Path) -> None:
    config = saved("detectron2-c4")
    for path in sorted(photos.iterdir())[1:]:
        path.unlink()
    with SearchEngine.open(gallery, model="color") as engine:
        assert index(engine, [photos], regions=open_detector(config)) == Report(added=1)
        assert index(engine, [photos], regions=open_detector(config)) == Report(unchanged=1)
        (region, *_) = engine.regions(1)
        assert len(engine.search(region.label, signals={"objects": 1})) == 1
        assert region.feature is not None and region.feature.shape == (WIDTH,)
    with Image.open(next(photos.iterdir())) as picture:
        answer = open_answerer(f"hf:{saved('lxmert')}@{config}", "cpu").ask(
            picture.convert("RGB"), "what color is the dog?"
        )
    assert answer.text in ("red", "green", "blue", "two")


def test_names_are_those_of_the_dataset_where_none_lie_beside(
    saved: Saved, picture: Image.Image, tmp_path: Path
) -> None:
    from detectron2.data import MetadataCatalog

    config = saved("detectron2-fpn")
    text = config.read_text("utf-8").replace("weights.pth", str(config.parent / "weights.pth"))
    (tmp_path / "model.yaml").write_text(text, "utf-8")
    with pytest.raises(
        ModelUnavailable, match="what its 2 classes are; name them in .*model.txt, one a line"
    ):
        open_detector(tmp_path / "model.yaml")
    MetadataCatalog.get("parks").thing_classes = ["tree", "bench"]
    (tmp_path / "model.yaml").write_text(text.replace("TEST: []", "TEST: [parks]"), "utf-8")
    (found,) = open_detector(tmp_path / "model.yaml").detect([picture])
    assert {region.label for region in found} <= {"tree", "bench"} and found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weights.pth", "detectron2://COCO/1/model.pkl", "is no file on this machine; put its path there"),
        ("weights.pth", "nowhere.pth", "MODEL.WEIGHTS of .* is 'nowhere.pth', which is no file"),
        ("weights.pth", "model.txt", "model.txt cannot be read"),
        ("GeneralizedRCNN", "RetinaNet", "describes a RetinaNet over RPN; regions take a GeneralizedRCNN"),
        ("Res5ROIHeads", "NoHeads", "Detectron2 cannot build .*NoHeads"),
        ("STEM_OUT_CHANNELS: 8", "STEM_OUT_CHANNELS: 16", "weights.pth does not fit its config: "),
        ("DEPTH: 50", "DEPTH: 101", "weights.pth does not fit its config: it lacks backbone.res4.6"),
        (
            "RES2_OUT_CHANNELS: 16",
            "RES2_OUT_CHANNELS: 512",
            "gives 4,096 numbers a region, the limit is 2,048",
        ),
        ("NUM_CLASSES: 2", "NUM_CLASSES: 3", "has 3 classes, and there are 2 names"),
        (
            "VERSION: 2",
            "VERSION: 2\nTUNED: 1",
            "is no config of Detectron2 as its cfg.dump.. writes: .*TUNED",
        ),
        ("VERSION: 2", "VERSION: !!python/object/apply:os.getpid []", "is no config of Detectron2"),
        ("VERSION: 2", "VERSION: 2\n_BASE_: https://example.org/base.yaml", "is no config of Detectron2"),
    ],
)
def test_configs_that_cannot_be_had(saved: Saved, tmp_path: Path, old: str, new: str, message: str) -> None:
    config = saved("detectron2-c4")
    for path in config.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = config.read_text("utf-8")
    assert text.count(old) >= 1
    (tmp_path / "model.yaml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ModelUnavailable, match=message) as caught:
        open_detector(tmp_path / "model.yaml")
    assert "\n" not in str(caught.value)


def test_pictures_of_one_pixel_and_strips_fail_nothing(saved: Saved) -> None:
    for name in ("detectron2-c4", "detectron2-fpn"):
        found, strip = open_detector(saved(name)).detect(
            [Image.new("RGB", size) for size in ((1, 1), (1, 5000))]
        )
        assert strip == ()
        assert all(0 <= region.box.x <= 1 for region in found)
