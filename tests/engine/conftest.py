"""A small real open_clip model, made here, for what needs tokens or a second model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NAME = "crosslight-engine-test"
CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session")
def clip_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that open_clip knows the model by, in this process; others add it by its path."""
    import open_clip

    path = tmp_path_factory.mktemp("clip") / f"{NAME}.json"
    path.write_text(json.dumps(CONFIG))
    open_clip.add_model_config(path)
    return path


@pytest.fixture(scope="session")
def clip(clip_config: Path) -> str:
    """The model's key."""
    import open_clip
    import torch

    torch.manual_seed(0)
    torch.save(open_clip.create_model(NAME).state_dict(), clip_config.with_name("weights.pt"))
    return f"open_clip:{NAME}@{clip_config.with_name('weights.pt')}"
