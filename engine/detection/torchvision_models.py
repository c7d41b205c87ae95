"""Detectors of torchvision's Faster R-CNN kinds, out of a local checkpoint.

A checkpoint is what `torch.save` wrote of a `state_dict` (or of `{"model": state_dict}`), or a .safetensors
of one; it is read as plain tensors. The architecture is told by the names of its tensors. What the numbers of
its classes mean says "categories" beside "model", or a file of the same name that ends in .txt, one a line in
the order of the numbers from 1 on; without either, 91 outputs are COCO's. "min_size" and "max_size" beside
"model" are the sizes that pictures are brought to, where those are not torchvision's 800 and 1333 pixels.

Features are those of the last stage of the backbone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.models import detection
from torchvision.transforms.functional import to_tensor

from engine.checkpoints import reason
from engine.detection import LEAST_SURE, MOST
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

SIZES = ("min_size", "max_size")
RECIPE = "1"  # goes up whenever the same checkpoint would give other regions or features
CLASSES = "roi_heads.box_predictor.cls_score.weight"  # (classes, width): its first row is "nothing"


class TorchvisionDetector:
    """One detector, loaded."""

    def __init__(self, path: Path, device: str) -> None:
        """Raise `ModelUnavailable` for what is no checkpoint of such a detector."""
        if not path.is_file():
            raise ModelUnavailable(f"there is no checkpoint of a detector at {path}")
        saved = read(path)
        state = state_of(saved)
        if CLASSES not in state:
            raise ModelUnavailable(f"{path} is no Faster R-CNN as torchvision saves it: it lacks {CLASSES}")
        self.stamp = stamp_of(path, recipe=RECIPE)
        self._labels = _labels(path, saved.get("categories"), len(state[CLASSES]))
        build = getattr(detection, _architecture(state))
        sizes = {name: int(saved[name]) for name in SIZES if name in saved}
        model = build(weights=None, weights_backbone=None, num_classes=len(state[CLASSES]), **sizes)
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            raise ModelUnavailable(f"{path} does not fit {_architecture(state)}: {reason(error)}") from error
        model.roi_heads.score_thresh = LEAST_SURE
        model.roi_heads.detections_per_img = MOST
        self._device = device
        self._model: Any = model.to(device).eval()

    def detect(self, images: Sequence[Image]) -> list[tuple[LabeledRegion, ...]]:
        """Find the regions of each upright RGB picture, the surest first, each with its features."""
        with torch.inference_mode():
            return [() if is_strip(image) else self._regions(image) for image in images]

    def _regions(self, image: Image) -> tuple[LabeledRegion, ...]:
        model = self._model
        batch, _ = model.transform([to_tensor(image).to(self._device)])
        stages = model.backbone.body(batch.tensors)
        pyramid = model.backbone.fpn(stages)
        proposals, _ = model.rpn(batch, pyramid)
        (found,), _ = model.roi_heads(pyramid, proposals, batch.image_sizes)
        features = averaged(list(stages.values())[-1], found["boxes"], batch.tensors.shape[-1])
        labels = [self._labels[label] for label in found["labels"].tolist()]
        return laid_out(found["boxes"], batch.image_sizes[0], labels, found["scores"], features)


def _architecture(state: Mapping[str, Tensor]) -> str:
    """Tell the architecture by the names of its tensors."""
    if not any(name.startswith("backbone.body.layer4") for name in state):
        return "fasterrcnn_mobilenet_v3_large_fpn"
    is_second = any(name.startswith("rpn.head.conv.1.") for name in state)  # it has two layers there
    return "fasterrcnn_resnet50_fpn_v2" if is_second else "fasterrcnn_resnet50_fpn"


def _labels(path: Path, named: Sequence[str] | None, classes: int) -> list[str]:
    """Return what each class is called, the first of which is nothing."""
    coco: list[str] = detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    if named is None:
        named = names_beside(path)
    if named is None and classes == len(coco):
        named = coco
    if named is not None and len(named) == classes:
        named = named[1:]
    return ["__background__", *check_names(path, named, classes - 1)]
