"""Stage 0, data: the photographs and captions that training reads, and the split it keeps to.

A data directory holds webdataset tars in any depth (`KEY.jpg` beside `KEY.json` with "captions").
A tar whose name says `val` is only ever measured on. From the training photographs of the two
sets that are measured, some are held back for the blend and the calibration.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SEED = 20261124
HELD_BACK = {"flickr8k": 350, "coco": 150}  # photographs of each set, chosen by SEED
LONGEST_CAPTION = 40  # words; some room descriptions are five sentences joined


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph with its captions; `offset` and `size` locate the JPEG inside its tar."""

    key: str
    group: str  # the directory its tar lies in: "flickr8k", "coco", "more"
    split: str  # "train", "held" or "val"
    captions: tuple[str, ...]
    tar: Path
    offset: int
    size: int


def read_photos(data: Path) -> list[Photo]:
    """List every photograph below `data`, in a fixed order, with its split decided."""
    tars = sorted(data.rglob("*.tar"))
    if not tars:
        raise FileNotFoundError(f"no .tar below {data}; name the folder that holds them with --data DIR")
    photos = [photo for tar in tars for photo in _read_tar(tar)]
    rng = np.random.default_rng(SEED)
    held: set[str] = set()
    for group, count in HELD_BACK.items():
        # only those with several captions: picture-to-text is measured on them as well
        keys = [p.key for p in photos if p.group == group and p.split == "train" and len(p.captions) > 3]
        held.update(rng.permutation(keys)[: min(count, len(keys) // 5)].tolist())
    return [_with_split(photo, "held") if photo.key in held else photo for photo in photos]


def _with_split(photo: Photo, split: str) -> Photo:
    return Photo(photo.key, photo.group, split, photo.captions, photo.tar, photo.offset, photo.size)


def _read_tar(path: Path) -> list[Photo]:
    split = "val" if "val" in path.stem else "train"
    places: dict[str, tuple[int, int]] = {}
    captions: dict[str, tuple[str, ...]] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            key, _, suffix = member.name.rpartition(".")
            if suffix == "jpg":
                places[key] = (member.offset_data, member.size)
            elif suffix == "json":
                content = archive.extractfile(member)
                assert content is not None
                texts = [" ".join(text.split()) for text in json.load(content)["captions"]]
                limit = LONGEST_CAPTION if split == "train" else sys.maxsize
                captions[key] = tuple(t for t in texts if t and len(t.split()) <= limit)
    return [
        Photo(key, path.parent.name, split, captions[key], path, *place)
        for key, place in places.items()
        if captions.get(key)
    ]


def digest(photos: Sequence[Photo]) -> str:
    """Name photographs, with their captions, splits and order; where their tars lie does not count."""
    told = [[photo.key, photo.group, photo.split, photo.size, photo.captions] for photo in photos]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def read_picture(photo: Photo) -> Image.Image:
    """Decode one photograph to RGB."""
    with photo.tar.open("rb") as file:
        file.seek(photo.offset)
        return Image.open(io.BytesIO(file.read(photo.size))).convert("RGB")


def select(photos: Sequence[Photo], split: str, group: str | None = None) -> list[int]:
    """Tell the positions of the photographs of one split (and one group)."""
    return [i for i, p in enumerate(photos) if p.split == split and group in (None, p.group)]
