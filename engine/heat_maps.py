"""Where words looked, as a picture: their grids become a smooth colored veil over the photograph.

Dark is less than an even share, bright the peak. A grid without a clear peak stays dark. The page draws the
same veil (`api/page/heatmap.js`) so that pointing at a word answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.errors import BadInput
from engine.grammar import parse
from engine.pictures import load_picture
from engine.types import Explanation, Floats, Query, WordMap

if TYPE_CHECKING:
    from engine.search import SearchEngine

LONGEST = 1024  # pixels of the longer side
VEIL = 288  # pixels of the veil's width, before it is laid over the picture
CLEAR_PEAK = 3  # times an even share; a grid with a lower peak has none to show
EVEN = 0.6  # times an even share; what is below is as dark as can be
ALPHA = (0.44, 0.51)  # of the veil, where a word looked least and most
# Dark violet to pale yellow: the lightness only rises, so it reads without color too.
STOPS = np.array([(13, 8, 42), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 245, 160)], np.float64)
Grid = npt.NDArray[np.float64]


def heat_map(engine: SearchEngine, item_id: int, query: str | Query, word: str | None = None) -> Image.Image:
    """Draw where one word of a query looked in an item's picture, or where all of them did.

    Raises `BadInput` where the model tells no such maps, the query has no words or not this one, or its
    phrases are not the item's; `ItemNotFound` where there is no such picture.
    """
    picture = load_picture(engine.open_picture(item_id)).image
    asked = replace(parse(query) if isinstance(query, str) else query, kind="image")
    found = engine.search(asked, k=1, filter=f"id = {item_id}", explain=True)
    if not len(found):
        why = "the query names it, or has a phrase that the item has not"
        raise BadInput(f"item {item_id} is no hit of this query: {why}")
    explanation = found[0].explanation
    if explanation is None or not explanation.words:
        raise BadInput(f"{engine.model} does not tell where the words of this query looked")
    return overlay(picture, explanation, word)


def overlay(picture: Image.Image, explanation: Explanation, word: str | None = None) -> Image.Image:
    """Lay the map of one word of an explanation over its picture, or those of all its words.

    The picture is RGB, and its longer side is LONGEST pixels at most in what comes back.
    """
    shown = picture.copy()
    shown.thumbnail((LONGEST, LONGEST))
    grid = _chosen(explanation.words, word)
    size = VEIL, max(24, round(VEIL * shown.height / shown.width))
    level = _smooth(_levels(grid), size) ** 0.8
    places = np.linspace(0, 1, len(STOPS))
    color = np.stack([np.interp(level, places, STOPS[:, channel]) for channel in range(3)], axis=-1)
    alpha = 255 * (ALPHA[0] + (ALPHA[1] - ALPHA[0]) * level)
    veil = Image.fromarray(np.dstack([color, alpha]).round().astype(np.uint8), "RGBA").resize(shown.size)
    shown.paste(veil, mask=veil.getchannel("A"))
    return shown


def _chosen(words: Sequence[WordMap], word: str | None) -> Grid:
    """Take one word's grid, or the mean of all by their shares; shares of one word at two places add up."""
    chosen = [one for one in words if word is None or one.word.casefold() == word.strip().casefold()]
    if not chosen:
        known = ", ".join(dict.fromkeys(one.word for one in words))
        raise BadInput(f"the query has no word {word!r}; it has {known}")
    weights = np.array([max(one.weight, 1e-9) for one in chosen])
    grids: Floats = np.stack([one.grid for one in chosen])
    mean: Grid = np.tensordot(weights / weights.sum(), grids.astype(np.float64), 1)
    return mean


def _levels(grid: Grid) -> Grid:
    """Turn shares into 0 (less than an even share) to 1 (the peak)."""
    times = grid * grid.size
    levels: Grid = np.maximum(0, times - EVEN) / (max(CLEAR_PEAK, float(times.max())) - EVEN)
    return levels


def _smooth(levels: Grid, size: tuple[int, int]) -> Grid:
    """Enlarge to (height, width) by a cubic B-spline, which is never negative and invents no peaks."""
    rows, columns = levels.shape
    smooth: Grid = _taps(size[1], rows) @ levels @ _taps(size[0], columns).T
    return smooth.clip(0, 1)


def _taps(length: int, cells: int) -> Grid:
    """Return what each cell counts for each pixel: (length, cells), rows adding up to 1."""
    at = (np.arange(length) + 0.5) / length * cells - 0.5
    base, t = np.floor(at).astype(int), at - np.floor(at)
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    taps = np.zeros((length, cells))
    for tap, weight in enumerate(weights):
        np.add.at(taps, (np.arange(length), (base - 1 + tap).clip(0, cells - 1)), weight / 6)
    return taps
