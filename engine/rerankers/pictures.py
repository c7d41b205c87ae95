"""PictureReranker: reads the pictures of the candidates again, and lets a model match each with the words.

It adds one contribution, "match", to what recall found, as BLIP orders its candidates (arXiv 2201.12086: the
score of its matching head plus the cosine).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from PIL.Image import Image

from engine.errors import BadPicture, ItemNotFound
from engine.pictures import load_picture
from engine.rerank import Candidates, Read
from engine.types import Floats, Kind, WordMap

BATCH = 8  # pictures decoded at a time
Match: TypeAlias = Callable[[str, Sequence[Image]], Floats]


class PictureReranker:
    """A reranker of words and pictures; `match` returns the log-odds (n,) that a text fits each picture."""

    reads: Literal["tokens", "pictures"] = "pictures"

    def __init__(self, name: str, match: Match) -> None:
        self.name = name
        self.stamp = name
        self.match = match

    def supports(self, query: Kind, item: Kind) -> bool:
        """Say whether the direction can be answered: words are matched against pictures."""
        return (query, item) == ("text", "image")

    def score(self, query: Read, candidates: Candidates) -> Mapping[str, Floats]:
        """Score candidates; see `Reranker`. One whose picture cannot be read any more scores NaN."""
        open_picture = candidates.open_picture
        assert open_picture is not None, "a reranker of pictures is given the way to them"
        scores = np.full(len(candidates), np.nan, dtype=np.float32)
        for start in range(0, len(candidates), BATCH):
            some = candidates.ids[start : start + BATCH].tolist()
            images = {start + n: _image(open_picture, item_id) for n, item_id in enumerate(some)}
            there = {row: image for row, image in images.items() if image is not None}
            if there:
                scores[list(there)] = self.match(query.text, list(there.values()))
        return {"match": scores}

    def probability(self, scores: Floats, query: Kind, item: Kind, items: int) -> Floats | None:
        """Return `None`: no such model comes calibrated to a gallery."""
        return None

    def explain(self, query: Read, candidates: Candidates) -> list[tuple[WordMap, ...]]:
        """Return no maps: these models do not say, word by word, where they looked."""
        return [()] * len(candidates)


def _image(open_picture: Callable[[int], bytes], item_id: int) -> Image | None:
    try:
        return load_picture(open_picture(item_id)).image
    except (ItemNotFound, BadPicture):
        return None
