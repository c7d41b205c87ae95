"""Checkpoints that a kill cannot leave half written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a stage's state aside, then put it in place of the one before."""
    aside = path.with_suffix(".part")
    torch.save(state, aside)
    os.replace(aside, path)


def kept(path: Path, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read the outcome of an earlier run of the same work, which `key` names, or make it and keep it."""
    if path.exists():
        outcome: dict[str, Any] = torch.load(path, weights_only=True)
        if outcome["key"] == key:
            return outcome
    outcome = {**make(), "key": key}
    save_checkpoint(path, outcome)
    return outcome


@dataclass(frozen=True)
class Resume:
    """Where a stage goes on after a kill: its checkpoint, if that was of the same work.

    `key` names data, recipe and seed; the checkpoint of other work is not gone on with.
    """

    path: Path
    key: str = ""

    def load(self, parts: Mapping[str, Any]) -> int:
        """Bring modules and optimizers to where they were, and tell the steps that are done."""
        if not self.path.exists():
            return 0
        kept = torch.load(self.path, weights_only=True)
        if kept.get("key", "") != self.key:
            return 0
        for name, part in parts.items():
            part.load_state_dict(kept[name])
        return int(kept["step"])

    def save(self, parts: Mapping[str, Any], step: int) -> None:
        """Keep the state of modules and optimizers after `step` steps."""
        states = {name: part.state_dict() for name, part in parts.items()}
        save_checkpoint(self.path, {**states, "step": step, "key": self.key})
