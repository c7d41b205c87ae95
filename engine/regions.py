"""Boxes of pictures: one is checked against the picture's size and cut out, those of a gallery are read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL.Image import Image

from engine.errors import BadInput
from engine.store import Store
from engine.store.regions import read_regions
from engine.types import LabeledRegion, Region

SLACK = 1e-6  # shares such as 0.7 + 0.3 may add up to a little over 1


def crop(image: Image, region: Region) -> Image:
    """Cut a box out of an upright picture.

    Raises `BadInput` with the picture's size when the box is empty, not of numbers, or not within it.
    """
    numbers = (region.x, region.y, region.width, region.height)
    size = f"the picture is {image.width} x {image.height} pixels"
    if not all(math.isfinite(number) for number in numbers):
        raise BadInput(f"the box {_shown(region)} is not four numbers; {size}")
    if region.width <= 0 or region.height <= 0:
        raise BadInput(f"the box {_shown(region)} is empty; give it a width and a height, {size}")
    wide, high = (1, 1) if max(numbers) <= 1 else image.size
    right, bottom = region.x + region.width, region.y + region.height
    if min(region.x, region.y) < 0 or right > wide * (1 + SLACK) or bottom > high * (1 + SLACK):
        raise BadInput(f"the box {_shown(region)} reaches outside the picture; {size}")
    across, down = image.width / wide, image.height / high
    left, top = int(region.x * across), int(region.y * down)  # the pixels that the box touches
    return image.crop(
        (
            min(left, image.width - 1),
            min(top, image.height - 1),
            min(max(math.ceil(right * across - SLACK), left + 1), image.width),
            min(max(math.ceil(bottom * down - SLACK), top + 1), image.height),
        )
    )


def stored(
    store: Store, ids: Sequence[int], *, features: bool = False
) -> dict[int, tuple[LabeledRegion, ...]]:
    """Return the regions of items by id, the surest first; items without any are left out."""
    with store.reading() as session:
        return read_regions(session, ids, features=features)


def _shown(region: Region) -> str:
    return f"[{region.x:g},{region.y:g},{region.width:g},{region.height:g}]"
