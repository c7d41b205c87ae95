"""Regions of pictures, found by a detector of torchvision's Faster R-CNN kinds out of a local checkpoint.

A checkpoint is what `torch.save` wrote of a `state_dict` (or of `{"model": state_dict}`), or a .safetensors
of one; it is read as plain tensors. The architecture is told by the names of its tensors. What the numbers of
its classes mean says "categories" beside "model", or a file of the same name that ends in .txt, one a line in
the order of the numbers from 1 on; without either, 91 outputs are COCO's. "min_size" and "max_size" beside
"model" are the sizes that pictures are brought to, where those are not torchvision's 800 and 1333 pixels.

A region's features are the last stage of the backbone over its box, aligned to 7 x 7 and averaged (He et al.,
arXiv 1703.06870): 2,048 numbers of a ResNet-50, as many as bottom-up attention gives (Anderson et al., arXiv
1707.07998), which LXMERT and VisualBERT read. A narrower backbone's are filled up with zeros.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.models import detection
from torchvision.ops import roi_align
from torchvision.transforms.functional import to_tensor

from engine.checkpoints import reason
from engine.errors import ModelUnavailable
from engine.types import LabeledRegion, Region

MOST = 36  # regions of a picture, as LXMERT was trained on
LEAST_SURE = 0.05
WIDTH = 2048  # numbers of a region's features
CELLS = 7
SIZES = ("min_size", "max_size")
RECIPE = "1"  # goes up whenever the same checkpoint would give other regions or features
CLASSES = "roi_heads.box_predictor.cls_score.weight"  # (classes, width): its first row is "nothing"


class Detector:
    """One detector, loaded."""

    def __init__(self, checkpoint: Path | str, device: str = "cpu") -> None:
        """Raise `ModelUnavailable` for what is no checkpoint of such a detector."""
        path = Path(checkpoint).expanduser()
        saved, digest = _read(path)
        state = saved.get("model", saved)
        if CLASSES not in state:
            raise ModelUnavailable(f"{path} is no Faster R-CNN as torchvision saves it: it lacks {CLASSES}")
        self.name = f"{_architecture(state)}@{path}"
        self.stamp = f"{digest}/{RECIPE}"
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
            return [self._regions(image) for image in images]

    def _regions(self, image: Image) -> tuple[LabeledRegion, ...]:
        model = self._model
        batch, _ = model.transform([to_tensor(image).to(self._device)])
        stages = model.backbone.body(batch.tensors)
        pyramid = model.backbone.fpn(stages)
        proposals, _ = model.rpn(batch, pyramid)
        (found,), _ = model.roi_heads(pyramid, proposals, batch.image_sizes)
        high, wide = batch.image_sizes[0]
        shares = found["boxes"] / torch.tensor([wide, high, wide, high], device=self._device)
        features = _features(list(stages.values())[-1], found["boxes"], batch.tensors.shape[-1])
        return tuple(
            LabeledRegion(_region(box), self._labels[int(label)], float(score), feature)
            for box, label, score, feature in zip(
                shares.cpu().numpy(), found["labels"], found["scores"], features.cpu().numpy(), strict=True
            )
        )


def _features(stage: Tensor, boxes: Tensor, across: int) -> Tensor:
    """Average the stage (1, c, h, w) over each box (n, 4): (n, WIDTH)."""
    scale = stage.shape[-1] / across
    aligned = roi_align(stage, [boxes], CELLS, scale, sampling_ratio=2, aligned=True)  # (n, c, 7, 7)
    averaged = aligned.mean(dim=(2, 3))
    return torch.nn.functional.pad(averaged, (0, WIDTH - averaged.shape[1]))


def _region(box: np.ndarray[Any, np.dtype[np.float32]]) -> Region:
    left, top, right, bottom = (float(min(max(share, 0), 1)) for share in box)
    return Region(left, top, right - left, bottom - top)


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """Return what a checkpoint holds, and a hash of the file."""
    if not path.is_file():
        raise ModelUnavailable(f"there is no checkpoint of a detector at {path}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path)), digest
        saved = torch.load(path, map_location="cpu", weights_only=True)
    # Readers of checkpoints raise many types; all mean that this one cannot be had.
    except Exception as error:
        raise ModelUnavailable(f"the checkpoint {path} cannot be read: {reason(error)}") from error
    if not isinstance(saved, dict):
        raise ModelUnavailable(f"the checkpoint {path} holds a {type(saved).__name__}, not a state_dict")
    return saved, digest


def _architecture(state: Mapping[str, Tensor]) -> str:
    """Tell the architecture by the names of its tensors."""
    if not any(name.startswith("backbone.body.layer4") for name in state):
        return "fasterrcnn_mobilenet_v3_large_fpn"
    is_second = any(name.startswith("rpn.head.conv.1.") for name in state)  # it has two layers there
    return "fasterrcnn_resnet50_fpn_v2" if is_second else "fasterrcnn_resnet50_fpn"


def _labels(path: Path, named: Sequence[str] | None, classes: int) -> list[str]:
    """Return what each class is called, the first of which is nothing."""
    beside = path.with_suffix(".txt")
    if named is None and beside.is_file():
        named = [line.strip() for line in beside.read_text("utf-8").splitlines() if line.strip()]
    if named is None:
        coco = detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
        if classes != len(coco):
            raise ModelUnavailable(
                f"{path} does not say what its {classes - 1} classes are; name them in {beside}, one a line"
            )
        named = coco
    labels = [str(name) for name in named]
    if len(labels) == classes - 1:
        labels = ["__background__", *labels]
    if len(labels) != classes:
        raise ModelUnavailable(
            f"{path} has {classes - 1} classes, and there are {len(labels)} names for them"
        )
    return labels
