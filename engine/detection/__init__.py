"""Regions of pictures: boxes with labels and features, found by a detector out of local files.

FILE.yaml       a config of Detectron2 (an optional package), which names its weights
any other file  a checkpoint of torchvision's Faster R-CNN kinds
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from PIL.Image import Image

from engine.types import LabeledRegion

MOST = 36  # regions of a picture, as LXMERT was trained on
LEAST_SURE = 0.05
WIDTH = 2048  # numbers of a region's features


class Finder(Protocol):
    """Finds the regions of pictures; `stamp` changes whenever the same picture could give others."""

    stamp: str

    def detect(self, images: Sequence[Image]) -> list[tuple[LabeledRegion, ...]]:
        """Return the regions of each upright RGB picture, the surest first."""
        ...


def open_detector(file: Path | str, device: str = "cpu") -> Finder:
    """Load the detector that a checkpoint or a config describes.

    Raises `ModelUnavailable` for what is neither, for weights that are no local file, and where a config's
    package is not installed.
    """
    path = Path(file).expanduser()
    if path.suffix in (".yaml", ".yml"):
        from engine.detection.detectron2_models import Detectron2Detector

        return Detectron2Detector(path, device)
    from engine.detection.torchvision_models import TorchvisionDetector

    return TorchvisionDetector(path, device)
