"""Detectors of Detectron2, out of a config as its `cfg.dump()` writes.

MODEL.WEIGHTS of the config names a file on this machine, absolute or relative to the config: what Detectron2
saved, or a .pkl of its model zoo. Both are read as plain tensors, and the config as plain YAML. What the
classes are called says a file beside the config that ends in .txt, or what Detectron2 knows of the dataset
that the config tests with, or trains with.

Features of a network whose fifth stage reads regions (C4) are that stage's, averaged, as bottom-up attention
takes them; of any other those of the backbone's last stage.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from engine.checkpoints import reason
from engine.detection import LEAST_SURE, MOST, WIDTH
from engine.detection.shared import (
    averaged,
    check_names,
    is_strip,
    laid_out,
    names_beside,
    read,
    stamp_of,
    state_of,
)
from engine.errors import ModelUnavailable
from engine.types import LabeledRegion

RECIPE = "1"  # goes up whenever the same config and weights would give other regions or features
INSTALL = (
    "pip install setuptools wheel && "
    "pip install --no-build-isolation git+https://github.com/facebookresearch/detectron2"
)


class Detectron2Detector:
    """One detector, loaded."""

    def __init__(self, path: Path, device: str) -> None:
        """Raise `ModelUnavailable` for what is no config of such a detector, and without Detectron2."""
        cfg = _config(path)
        weights = _weights(path, cfg.MODEL.WEIGHTS)
        self._labels = check_names(path, _names(path, cfg), cfg.MODEL.ROI_HEADS.NUM_CLASSES)
        self._model = _built(path, cfg, device)
        body = getattr(self._model.backbone, "bottom_up", self._model.backbone)
        self._last, shape = list(body.output_shape().items())[-1]
        width = self._model.roi_heads.box_predictor.cls_score.in_features if self._is_c4 else shape.channels
        if width > WIDTH:
            raise ModelUnavailable(
                f"{path} gives {width:,} numbers a region, the limit is {WIDTH:,}; use a narrower network"
            )
        _load(self._model, weights)
        self.stamp = stamp_of(path, weights, recipe=RECIPE)
        self._seen = threading.local()
        body.register_forward_hook(self._keep)

        from detectron2.data.transforms import ResizeShortestEdge

        self._is_bgr = cfg.INPUT.FORMAT == "BGR"
        self._resize = ResizeShortestEdge([cfg.INPUT.MIN_SIZE_TEST] * 2, cfg.INPUT.MAX_SIZE_TEST)

    def detect(self, images: Sequence[Image]) -> list[tuple[LabeledRegion, ...]]:
        """Find the regions of each upright RGB picture, the surest first, each with its features."""
        with torch.inference_mode():
            return [() if is_strip(image) else self._regions(image) for image in images]

    def _regions(self, image: Image) -> tuple[LabeledRegion, ...]:
        model = self._model
        pixels = np.asarray(image)[:, :, ::-1] if self._is_bgr else np.asarray(image)
        resized = self._resize.get_transform(pixels).apply_image(pixels)  # (h, w, 3)
        channels = torch.from_numpy(resized.astype(np.float32).transpose(2, 0, 1).copy())
        batch = model.preprocess_image([{"image": channels}])
        stages = model.backbone(batch.tensor)
        proposals, _ = model.proposal_generator(batch, stages, None)
        (found,), _ = model.roi_heads(batch, stages, proposals, None)
        found = found[found.pred_boxes.nonempty()]
        if self._is_c4:
            at = [stages[name] for name in model.roi_heads.in_features]
            features = model.roi_heads._shared_roi_transform(at, [found.pred_boxes]).mean(dim=(2, 3))
        else:
            features = averaged(self._seen.last, found.pred_boxes.tensor, batch.tensor.shape[-1])
        labels = [self._labels[label] for label in found.pred_classes.tolist()]
        return laid_out(found.pred_boxes.tensor, batch.image_sizes[0], labels, found.scores, features)

    @property
    def _is_c4(self) -> bool:
        from detectron2.modeling.roi_heads import Res5ROIHeads

        return isinstance(self._model.roi_heads, Res5ROIHeads)

    def _keep(self, module: nn.Module, given: Any, stages: dict[str, Tensor]) -> None:
        """Keep the backbone's last stage, which the pyramid over it does not return."""
        self._seen.last = stages[self._last]


def _config(path: Path) -> Any:
    """Read a config over Detectron2's defaults, for boxes alone."""
    if not path.is_file():
        raise ModelUnavailable(f"there is no config of a detector at {path}")
    try:
        from detectron2.config import CfgNode, get_cfg
    except ImportError as error:
        raise ModelUnavailable(
            f"{path} needs Detectron2, which cannot be imported ({reason(error)}); install it from its "
            f"source with: {INSTALL}"
        ) from error
    cfg = get_cfg()
    try:
        # Read from a text, it can neither run code nor stand on another config, which may be a URL.
        cfg.merge_from_other_cfg(CfgNode.load_cfg(path.read_text("utf-8")))
    # YAML that is none, keys that are none, values of another type: yacs and PyYAML raise many types.
    except Exception as error:
        raise ModelUnavailable(
            f"{path} is no config of Detectron2 as its cfg.dump() writes: {reason(error)}"
        ) from error
    if (cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.PROPOSAL_GENERATOR.NAME) != ("GeneralizedRCNN", "RPN"):
        raise ModelUnavailable(
            f"{path} describes a {cfg.MODEL.META_ARCHITECTURE} over {cfg.MODEL.PROPOSAL_GENERATOR.NAME}; "
            "regions take a GeneralizedRCNN over RPN, such as Faster R-CNN"
        )
    cfg.MODEL.MASK_ON = cfg.MODEL.KEYPOINT_ON = False
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = LEAST_SURE
    cfg.TEST.DETECTIONS_PER_IMAGE = MOST
    return cfg


def _weights(path: Path, named: str) -> Path:
    """Return the file of the weights; what would have to be fetched is refused."""
    weights = path.parent / Path(named).expanduser()
    if "://" in named or not weights.is_file():
        raise ModelUnavailable(
            f"MODEL.WEIGHTS of {path} is {named!r}, which is no file on this machine; put its path there, "
            "absolute or relative to the config"
        )
    return weights


def _names(path: Path, cfg: Any) -> list[str] | None:
    """Return what the classes are called, where that is known."""
    from detectron2.data import MetadataCatalog

    known = [
        MetadataCatalog.get(dataset).get("thing_classes")
        for dataset in (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN)
    ]
    return names_beside(path) or next(filter(None, known), None)


def _built(path: Path, cfg: Any, device: str) -> Any:
    from detectron2.modeling import build_model

    cfg.MODEL.DEVICE = device
    try:
        return build_model(cfg).eval()
    # A config that names unknown parts, or parts that do not go together, raises many types.
    except Exception as error:
        raise ModelUnavailable(f"Detectron2 cannot build {path}: {reason(error)}") from error


def _load(model: Any, weights: Path) -> None:
    """Load the weights; those of heads that are not asked, such as of masks, are left."""
    try:
        missing = model.load_state_dict(state_of(read(weights)), strict=False).missing_keys
    except RuntimeError as error:
        raise ModelUnavailable(f"{weights} does not fit its config: {reason(error)}") from error
    if missing:
        raise ModelUnavailable(f"{weights} does not fit its config: it lacks {missing[0]}")
