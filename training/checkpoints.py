"""Checkpoints that a kill cannot leave half written, and that are gone on with by the same work alone."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.files import disk_errors, sync

Note = Callable[[str], None]
log = logging.getLogger("training")


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state aside, then put it in place of the one before; raises `StorageFailed`."""
    written = io.BytesIO()  # torch's own writer hides why a file could not be written
    torch.save(state, written)
    aside = path.with_name(f".{path.name}.part")
    with disk_errors(path.parent):
        try:
            aside.write_bytes(written.getbuffer())
            sync(aside)
            aside.replace(path)
            sync(path.parent)
        finally:
            aside.unlink(missing_ok=True)


def read_checkpoint(path: Path, note: Note) -> dict[str, Any]:
    """Read a state; it is empty where there is none, and where none can be read, which is noted."""
    if not path.exists():
        return {}
    try:
        return dict(torch.load(path, weights_only=True))
    # What is damaged raises many types; all mean that the work begins anew.
    except Exception as error:
        note(f"{path} cannot be read ({type(error).__name__}); training begins from the start")
        return {}


def weights_digest(module: nn.Module) -> str:
    """Name the weights that a module has, to tell by a key what work goes on from."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def kept(path: Path, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read the outcome of an earlier run of the same work, which `key` names, or make it and keep it."""
    outcome = read_checkpoint(path, log.warning)
    if outcome.get("key") != key:
        outcome = {**make(), "key": key}
        save_checkpoint(path, outcome)
    return outcome


@dataclass(frozen=True)
class Resume:
    """Where a stage goes on after a kill: its checkpoint, if that was of the same work.

    `key` names data, recipe and seed; the checkpoint of other work is not gone on with. `note` is told of one
    that cannot be read.
    """

    path: Path
    key: str = ""
    note: Note = log.warning

    def load(self, parts: Mapping[str, Any]) -> int:
        """Bring modules and optimizers to where they were, and tell the steps that are done."""
        state = read_checkpoint(self.path, self.note)
        if not state or state.get("key", "") != self.key:
            return 0
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["step"])

    def save(self, parts: Mapping[str, Any], step: int) -> None:
        """Keep the state of modules and optimizers after `step` steps."""
        states = {name: part.state_dict() for name, part in parts.items()}
        save_checkpoint(self.path, {**states, "step": step, "key": self.key})
