"""Stage 1, features: what the frozen parts of the towers make of every photograph and caption.

Pictures are kept as the activations between the frozen stem and the trainable top of each image
network, float16, for several views: the whole picture, its mirror image, and random crops.
One folder a view, written aside and renamed when complete; a killed run goes on where it stopped.
Rows are by the photographs' order, so a folder keeps the features of the same photographs alone.
"""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageEnhance
from torch import nn

from engine.encoders.mini import IMAGE_BATCH
from engine.encoders.mini_shape import SIDE, pixels
from engine.encoders.mini_towers import (
    IMAGE_WIDTH,
    MEANS_WIDTH,
    NETWORKS,
    ImageTower,
    fold_batch_norms,
)
from engine.errors import BadInput
from engine.files import write_whole
from engine.types import Bitmap, Ids
from training.data import SEED, Photo, digest, read_picture
from training.precision import narrow, products

log = logging.getLogger("training")

STEM_SIDE = 17  # cells
BATCH = 64
FEATURES = ("view*", "published*.npy", "captions.npz", "tokens.npy")  # in a folder for them
WHOLE, MIRROR, CROP = 0, 1, 2  # crops are random, and made of training photographs only


def view_of(image: Image.Image, view: int, rng: np.random.Generator) -> Image.Image:
    """Make one view of a picture: itself, its mirror image, or a random crop of half its area or more."""
    if view == WHOLE:
        return image
    if view == MIRROR:
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = np.sqrt(rng.uniform(0.5, 1.0))
    stretch = np.exp(rng.uniform(-0.15, 0.15))
    width = max(1, round(image.width * min(1.0, scale * stretch)))
    height = max(1, round(image.height * min(1.0, scale / stretch)))
    left = int(rng.integers(image.width - width + 1))
    top = int(rng.integers(image.height - height + 1))
    image = image.crop((left, top, left + width, top + height))
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(0.75, 1.25))
    return image


def _batches(count: int, start: int) -> Iterator[tuple[int, int]]:
    for first in range(start, count, BATCH):
        yield first, min(count, first + BATCH)


def _images(photos: Sequence[Photo], view: int, first: int, stop: int) -> tuple[list[int], list[Image.Image]]:
    """Make a view of some photographs: which of them, and their pictures.

    Crops are for training; and a view's randomness hangs on the photograph, so that a resumed run makes the
    same picture.
    """
    some = range(first, min(stop, len(photos)))
    wanted = [i for i in some if view < CROP or photos[i].split == "train"]
    rngs = (np.random.default_rng((SEED, view, i)) for i in wanted)
    return wanted, [view_of(read_picture(photos[i]), view, rng) for i, rng in zip(wanted, rngs, strict=True)]


def claim(cache: Path, photos: Sequence[Photo], stamp: str = "") -> None:
    """Have a folder keep what is made of these photographs; `BadInput` where it keeps what is of others.

    What does not say whose it is may be of others, too. `stamp` names the weights that made it, where they
    are not the published ones.
    """
    mark, name = cache / "photographs.sha256", " ".join([digest(photos), stamp]).strip()
    if mark.exists():
        if mark.read_text("ascii") == name:
            return
        whose = "of other photographs, captions or weights"
    elif any(found for kind in FEATURES for found in cache.glob(kind)):
        whose = "and does not say of which photographs"
    else:
        cache.mkdir(parents=True, exist_ok=True)
        write_whole(mark, name.encode())
        return
    raise BadInput(f"{cache} keeps features {whose}; remove it, or name another (--work DIR)")


def view_path(cache: Path, view: int) -> Path:
    """Say where the activations of a view of all photographs lie: a folder, with a file for each network."""
    return cache / f"view{view}"


def kept_view(cache: Path, view: int) -> list[npt.NDArray[np.float16]]:
    """Map the activations that `cache_view` wrote of one view, those of each network."""
    return [np.load(view_path(cache, view) / f"{name}.npy", mmap_mode="r") for name in NETWORKS]


@torch.inference_mode()
def cache_view(tower: ImageTower, photos: Sequence[Photo], view: int, cache: Path) -> None:
    """Write what the stems make of one view of all photographs, where no earlier run did.

    A file for each network holds (n, 17, 17, channels) float16.
    """
    claim(cache, photos)
    folder = view_path(cache, view)
    if folder.exists():
        return
    aside = folder.with_suffix(".part")
    aside.mkdir(parents=True, exist_ok=True)
    progress = aside / "progress"
    start = int(progress.read_text()) if progress.exists() else 0
    stems = [sight.stem for sight in _folded(tower).sights]
    arrays = [
        _opened(aside / f"{name}.npy", stem, len(photos), start)
        for name, stem in zip(NETWORKS, stems, strict=True)
    ]
    began = time.perf_counter()
    for first, stop in _batches(len(photos), start):
        wanted, images = _images(photos, view, first, stop)
        for begin in range(0, len(images), IMAGE_BATCH):
            batch = torch.from_numpy(pixels(images[begin : begin + IMAGE_BATCH]))
            for array, stem in zip(arrays, stems, strict=True):
                with products():  # only training reads this
                    found = stem(batch)
                array[wanted[begin : begin + IMAGE_BATCH]] = found.float().permute(0, 2, 3, 1).numpy()
        progress.write_text(str(stop))
        if first // BATCH % 20 == 0:
            log.info("view %d: %d of %d, %.0f s", view, stop, len(photos), time.perf_counter() - began)
    for array in arrays:
        array.flush()
    progress.unlink()
    os.replace(aside, folder)


def _folded(tower: ImageTower) -> ImageTower:
    """Copy a tower, to be read as the engine reads it: batch norms folded, a few pictures at a time."""
    copied = copy.deepcopy(tower)
    fold_batch_norms(copied)
    return copied


def _opened(path: Path, stem: nn.Module, photos: int, start: int) -> np.memmap[Any, Any]:
    """Open a network's activations to write, from a killed run's on."""
    if start:
        return np.lib.format.open_memmap(path, "r+")
    channels = stem(torch.zeros(1, 3, SIDE, SIDE)).shape[1]
    return np.lib.format.open_memmap(path, "w+", np.float16, (photos, STEM_SIDE, STEM_SIDE, channels))


@torch.inference_mode()
def cache_means(tower: ImageTower, photos: Sequence[Photo], view: int, cache: Path) -> Path:
    """Write the means that the published networks make of one view: (n, MEANS_WIDTH) float16."""
    claim(cache, photos)
    path = cache / f"published{view}.npy"
    if not path.exists():
        cache_view(tower, photos, view, cache)
        means = np.zeros((len(photos), len(NETWORKS), IMAGE_WIDTH), np.float16)
        sights = _folded(tower).sights
        for network, kept in enumerate(kept_view(cache, view)):
            for first, stop in _batches(len(kept), 0):
                activations = narrow(torch.from_numpy(np.array(kept[first:stop]))).permute(0, 3, 1, 2)
                with products():
                    means[first:stop, network] = sights[network].means(activations).numpy()
        aside = path.with_name(f"{path.name}.part")
        with aside.open("wb") as file:
            np.save(file, means.reshape(len(photos), MEANS_WIDTH))
        os.replace(aside, path)
    return path


@dataclass(frozen=True)
class CaptionStates:
    """The frozen text layers' output for every caption, laid end to end.

    `states` is (pieces, width) float16; caption c is rows bounds[c] to bounds[c + 1]; `first`
    (photographs + 1,) says which captions belong to a photograph; `meaning` (captions, width)
    float16 is the published model's own sentence vector, a teacher of what means the same.
    """

    states: npt.NDArray[np.float16]
    bounds: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    meaning: npt.NDArray[np.float16]

    def batch(self, captions: Sequence[int], limit: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pad some captions, cut to `limit`, to (n, t, width) float32 and `real` (n, t) bool."""
        lengths = [min(limit, int(self.bounds[c + 1] - self.bounds[c])) for c in captions]
        hidden = torch.zeros(len(lengths), max(lengths), self.states.shape[1])
        real = torch.zeros(len(lengths), max(lengths), dtype=torch.bool)
        for i, (c, length) in enumerate(zip(captions, lengths, strict=True)):
            hidden[i, :length] = torch.from_numpy(self.states[self.bounds[c] : self.bounds[c] + length])
            real[i, :length] = True
        return hidden, real


class Pieces(Protocol):
    """A tokenizer of a language model."""

    def encode(self, texts: Sequence[str]) -> tuple[Ids, Bitmap]:
        """Turn texts into ids (n, t) int64 and `real` (n, t) bool."""
        ...


class Tower(Protocol):
    """A language model cut in two: what `start` makes of ids, `means` makes a vector of."""

    def start(self, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Map ids (n, t) to hidden states (n, t, width)."""
        ...

    def means(self, hidden: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Map those to unit vectors (n, width)."""
        ...


@torch.inference_mode()
def cache_captions(tower: Tower, pieces: Pieces, photos: Sequence[Photo], cache: Path) -> CaptionStates:
    """Run the frozen text layers over every caption, or read what an earlier run kept."""
    claim(cache, photos)
    path = cache / "captions.npz"
    if not path.exists():
        captions = [caption for photo in photos for caption in photo.captions]
        rows: list[npt.NDArray[np.float16]] = [np.empty((0, 0), np.float16)] * len(captions)
        meaning: list[npt.NDArray[np.float16]] = [np.empty(0, np.float16)] * len(captions)
        alike = sorted(range(len(captions)), key=lambda c: len(captions[c]))  # in length: little is padding
        for start, stop in _batches(len(captions), 0):
            chosen = alike[start:stop]
            ids, real = map(torch.from_numpy, pieces.encode([captions[c] for c in chosen]))
            hidden = tower.start(ids, real)
            means = tower.means(hidden, real).numpy().astype(np.float16)
            half = hidden.numpy().astype(np.float16)
            for c, row, mean, length in zip(chosen, half, means, real.sum(1).tolist(), strict=True):
                rows[c], meaning[c] = row[:length].copy(), mean
        aside = cache / "captions.aside.npz"
        np.savez(
            aside,
            states=np.concatenate(rows),
            bounds=np.cumsum([0, *map(len, rows)]),
            first=np.cumsum([0, *(len(photo.captions) for photo in photos)]),
            meaning=np.stack(meaning),
        )
        os.replace(aside, path)
    with np.load(path) as kept:
        return CaptionStates(**kept)
