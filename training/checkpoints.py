"""Checkpoints that a kill cannot leave half written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a stage's state aside, then put it in place of the one before."""
    aside = path.with_suffix(".part")
    torch.save(state, aside)
    os.replace(aside, path)
