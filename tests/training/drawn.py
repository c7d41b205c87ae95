"""A small gallery to train on: drawn pictures with a caption each, under a small real open_clip model."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import open_clip
import torch
from PIL import Image, ImageDraw

from engine import SearchEngine
from engine.types import Item

COLORS = ("red", "green", "blue", "yellow", "white", "black", "orange")
NAME = "crosslight-drawn"
CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 48, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}


def draw() -> dict[str, Image.Image]:
    """Draw a shape of one color on another, by what there is to say of it."""
    drawn: dict[str, Image.Image] = {}
    for color, ground in permutations(COLORS, 2):
        for shape in ("circle", "square", "bar"):
            picture = Image.new("RGB", (48, 48), ground)
            pen = ImageDraw.Draw(picture)
            if shape == "circle":
                pen.ellipse((8, 8, 40, 40), fill=color)
            else:
                pen.rectangle((8, 8, 40, 40) if shape == "square" else (8, 20, 40, 28), fill=color)
            drawn[f"a {color} {shape} on {ground}"] = picture
    return drawn


def model_key(folder: Path) -> str:
    """Make the model's weights, and return its key."""
    (folder / f"{NAME}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / f"{NAME}.json")
    torch.manual_seed(0)
    torch.save(open_clip.create_model(NAME).state_dict(), folder / "weights.pt")
    return f"open_clip:{NAME}@{folder / 'weights.pt'}"


def captioned_gallery(folder: Path) -> Path:
    """Make the gallery, with captions, and return its place."""
    key, pictures = model_key(folder), folder / "pictures"
    pictures.mkdir()
    items = []
    for number, (caption, picture) in enumerate(draw().items()):
        picture.save(pictures / f"{number}.png")
        items.append(Item((pictures / f"{number}.png").as_uri(), text=caption))
    with SearchEngine.open(folder / "drawn.gallery", model=key, device="cpu") as engine:
        assert not engine.add(items).failed
    return folder / "drawn.gallery"
