"""Arrays as a bundle holds them: matrices as int8 with a step a row, the rest as float16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from engine.types import Floats

Arrays: TypeAlias = dict[str, npt.NDArray[np.generic]]
READER = "reader.npz"  # the reader's file in a bundle
STEP = ".step"


def pack(arrays: Mapping[str, Floats]) -> Arrays:
    """Return the arrays to keep."""
    kept: Arrays = {}
    for name, array in arrays.items():
        if array.ndim == 2 and len(array) > 1:
            step = np.maximum(np.abs(array).max(1, keepdims=True), 1e-6) / 127
            kept[name], kept[name + STEP] = np.round(array / step).astype(np.int8), step.astype(np.float32)
        else:
            kept[name] = array.astype(np.float16)
    return kept


def unpack(kept: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Floats]:
    """Return the arrays as they were, but for what rounding took."""
    return {
        name: np.multiply(kept[name], kept.get(name + STEP, np.ones(1)), dtype=np.float32).reshape(
            kept[name].shape
        )
        for name in kept
        if not name.endswith(STEP)
    }
