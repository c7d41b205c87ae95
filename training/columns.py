"""Columns: arrays of as many rows each, which are taken and laid end to end together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Columns:
    """A dataclass whose every field is an array of m rows."""

    @classmethod
    def joined(cls, several: Sequence[Self]) -> Self:
        """Lay the rows of several end to end."""
        return cls(*(np.concatenate([getattr(one, own.name) for one in several]) for own in fields(cls)))

    def taken(self, some: npt.NDArray[np.bool_]) -> Self:
        """Take some of the rows."""
        return type(self)(*(getattr(self, own.name)[some] for own in fields(self)))
