"""Stage 8, export: the bundle that ships, safetensors of at most 5 MB each and a config.

Matrices are int8 with a scale for each row; all else is float16, and so are the tuned top of the image
tower and what makes tokens of its grid: int8 there would move three tokens in ten.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.encoders.mini_bundle import SCALE
from engine.encoders.mini_joint import Joint
from engine.fusion import FusionModel
from engine.fusion_reranker import Blend
from training.calibrate import as_config
from training.data import SEED
from training.model import Model
from training.reranker import DEPTH

LARGEST = 5_000_000  # bytes of a file
MATRIX = 10_000  # numbers; smaller ones stay float16
FINE = ("image_tops.0.", "image_heads.0.token.", "text_head.token.")  # what tokens hang on most


def bundled(
    model: Model, joint: Joint, fusion: FusionModel, published: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Name what ships: heads, the joint, the fusion model, and those tensors of the towers that changed.

    `published` is the state of an untrained `Model`.
    """
    tensors = {f"fusion.{name}": tensor for name, tensor in fusion.state_dict().items()}
    tensors.update({f"joint.{name}": tensor for name, tensor in joint.state_dict().items()})
    for name, tensor in model.state_dict().items():
        is_head = name.startswith(("image_heads.", "text_head."))
        is_tower = name.startswith(("image_tops.", "text_top."))
        if is_head or (is_tower and not torch.equal(tensor, published[name])):
            tensors[name] = tensor
    return packed(tensors)


def packed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Round what ships; `unpacked` is the way back."""
    kept = {}
    for name, tensor in tensors.items():
        if tensor.ndim > 1 and tensor.numel() >= MATRIX and not name.startswith(FINE):
            rows = tensor.detach().float().flatten(1)
            scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
            kept[name] = (rows / scale).round().to(torch.int8).view(tensor.shape).contiguous()
            kept[name + SCALE] = scale[:, 0].contiguous()
        else:
            kept[name] = tensor.detach().to(torch.float16).contiguous()
    return kept


def export(folder: Path, tensors: dict[str, Tensor], blends: dict[str, Blend]) -> None:
    """Write the bundle, replacing the one that is there."""
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    files: list[dict[str, Tensor]] = [{}]
    for name, tensor in sorted(tensors.items()):
        if sum(t.nbytes for t in files[-1].values()) + tensor.nbytes > LARGEST:
            files.append({})
        files[-1][name] = tensor
    for number, part in enumerate(files):
        path = aside / f"weights-{number}.safetensors"
        save_file(part, path)
        path.chmod(0o644)  # safetensors makes files that only their owner can read
    config = {"seed": SEED, "depth": DEPTH, "blends": as_config(blends)}
    (aside / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    for path in aside.iterdir():
        os.replace(path, folder / path.name)
    aside.rmdir()
