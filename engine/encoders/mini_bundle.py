"""What training made of `mini`, as it is kept: safetensors, matrices in int8 with a scale for each row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from engine.encoders.mini_shape import DIALS, MEAN, SIDE, STD, TEXT_LIMIT
from engine.types import Floats

CONSTANTS = (SIDE, MEAN, STD, TEXT_LIMIT, *DIALS)
PIECES = "pieces.safetensors"  # of another language than English
SCALE = "/scale"  # ends the name of the scales of a tensor's rows


def read_bundle(folder: Path) -> dict[str, Floats]:
    """Read every tensor of a bundle as float32."""
    kept: dict[str, npt.NDArray[Any]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        kept.update(load_file(path))
    return unpacked(kept)


def unpacked(kept: Mapping[str, npt.NDArray[Any]]) -> dict[str, Floats]:
    """Turn tensors as they are kept into float32: int8 rows times their scales, the others as they are."""
    tensors: dict[str, Floats] = {}
    for name, tensor in kept.items():
        if tensor.dtype == np.int8:
            scale = kept[name + SCALE].reshape(-1, *[1] * (tensor.ndim - 1))
            tensors[name] = tensor.astype(np.float32) * scale
        elif not name.endswith(SCALE):
            tensors[name] = tensor.astype(np.float32)
    return tensors


def bundle_digest(tensors: Mapping[str, Floats]) -> str:
    """Return what another bundle has otherwise."""
    return digest(f"{name} {_tensor_digest(tensor)}" for name, tensor in sorted(tensors.items()))


def digest(parts: Iterable[str]) -> str:
    """Make a stamp of these lines and of what all vectors hang on, preprocessing included."""
    return hashlib.sha256("\n".join([repr(CONSTANTS), *parts]).encode()).hexdigest()[:16]


def _tensor_digest(tensor: Floats) -> str:
    return hashlib.sha256(np.ascontiguousarray(tensor).data).hexdigest()
