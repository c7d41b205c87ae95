"""What detectors have in common: weights read as plain tensors, names of classes, and regions laid out.

A region's features are a stage of the network over its box, aligned to 7 x 7 and averaged (He et al.,
arXiv 1703.06870): 2,048 numbers of a ResNet-50, as many as bottom-up attention gives (Anderson et al., arXiv
1707.07998), which LXMERT and VisualBERT read. Narrower ones are filled up with zeros.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.ops import roi_align

from engine.checkpoints import reason
from engine.detection import WIDTH
from engine.errors import ModelUnavailable
from engine.types import LabeledRegion, Region

CELLS = 7
THINNEST = 50  # times as long as wide; what is thinner would be brought to less than a pixel
PLAIN = {  # what a pickle of arrays calls: it may call nothing else
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
}


class PlainUnpickler(pickle.Unpickler):
    """Reads arrays, numbers and texts, and refuses to call anything else."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core.", "numpy._core.")  # as numpy 1 called it
        if (module, name) not in PLAIN:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}, which is no plain array")
        return super().find_class(module, name)


def stamp_of(path: Path, *others: Path, recipe: str) -> str:
    """Return what tells a detector from any other: hashes of its files, and of names that lie beside."""
    files = [file for file in (path, *others, path.with_suffix(".txt")) if file.is_file()]
    return "/".join([*map(_hashed, files), recipe])


def read(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds: of torch, .safetensors, or a .pkl of arrays as model zoos have them.

    Raises `ModelUnavailable` for what is none, or holds more than plain tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                saved = PlainUnpickler(file, encoding="latin1").load()
        else:
            saved = torch.load(path, map_location="cpu", weights_only=True)
    # Readers of checkpoints raise many types; all mean that this one cannot be had.
    except Exception as error:
        raise ModelUnavailable(f"the checkpoint {path} cannot be read: {reason(error)}") from error
    if not isinstance(saved, dict):
        raise ModelUnavailable(f"the checkpoint {path} holds a {type(saved).__name__}, not a state_dict")
    return saved


def state_of(saved: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights among what was saved; they may lie under "model", and be arrays."""
    state = saved.get("model", saved)
    arrays = state.items() if isinstance(state, dict) else ()
    return {name: torch.as_tensor(array) for name, array in arrays if isinstance(array, Tensor | np.ndarray)}


def names_beside(path: Path) -> list[str] | None:
    """Return the names of classes in a file of the same name that ends in .txt, one a line."""
    beside = path.with_suffix(".txt")
    if not beside.is_file():
        return None
    return [line.strip() for line in beside.read_text("utf-8").splitlines() if line.strip()]


def check_names(path: Path, names: Sequence[str] | None, classes: int) -> list[str]:
    """Refuse names that are not one a class."""
    if names is None:
        beside = path.with_suffix(".txt")
        raise ModelUnavailable(
            f"{path} does not say what its {classes} classes are; name them in {beside}, one a line"
        )
    if len(names) != classes:
        raise ModelUnavailable(f"{path} has {classes} classes, and there are {len(names)} names for them")
    return [str(name) for name in names]


def is_strip(image: Image) -> bool:
    """Say whether a picture is too thin for a detector; it has no regions then."""
    return max(image.size) > THINNEST * min(image.size)


def averaged(stage: Tensor, boxes: Tensor, across: int) -> Tensor:
    """Average the stage (1, c, h, w) of a picture `across` pixels wide over each box (n, 4): (n, c)."""
    scale = stage.shape[-1] / across
    aligned: Tensor = roi_align(stage, [boxes], CELLS, scale, sampling_ratio=2, aligned=True)  # (n, c, 7, 7)
    return aligned.mean(dim=(2, 3))


def laid_out(
    boxes: Tensor, size: tuple[int, int], labels: Sequence[str], scores: Tensor, features: Tensor
) -> tuple[LabeledRegion, ...]:
    """Return regions of boxes (n, 4) in pixels of a picture of this height and width, and features (n, c)."""
    high, wide = size
    shares = boxes / torch.tensor([wide, high, wide, high], device=boxes.device)
    filled = torch.nn.functional.pad(features, (0, WIDTH - features.shape[1]))
    return tuple(
        LabeledRegion(_region(box), label, float(score), feature)
        for box, label, score, feature in zip(
            shares.cpu().numpy(), labels, scores, filled.cpu().numpy(), strict=True
        )
    )


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _region(box: np.ndarray[Any, np.dtype[np.float32]]) -> Region:
    left, top, right, bottom = (float(min(max(share, 0), 1)) for share in box)
    return Region(left, top, right - left, bottom - top)
