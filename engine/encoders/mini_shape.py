"""The sizes and dials of `mini`, and how pictures and texts become the numbers that it reads.

No library of models is needed here, or by what a search takes from `mini.py`: torch loads for seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tokenizers import Tokenizer

from engine.types import Bitmap, Floats, Ids

SIDE = 260  # pixels; squashed to a square, so that the grid maps linearly on the whole picture
MEAN, STD = 0.498, 0.502
GRID = 9
TEXT_LIMIT = 64  # tokens, [CLS] and [SEP] included
TOKEN_DIM = 128
RANK = 254  # of the two opinions together, by principal components
JOINT_DIM = RANK + 2
PLAIN_SHARE = 0.25  # of the plain heads, beside 1 of the tuned towers
CLASS_SHARE = 0.5
SHARPNESS = 25.0  # of the mean over a bank: the nearest count most
CAPTION_CROWD, PICTURE_CROWD = 0.8, 0.5  # how much is taken off a picture's score, and a text's
CONSTANT = 0.5  # what a query's vector holds where an item's holds what is taken off
DIALS = (PLAIN_SHARE, CLASS_SHARE, SHARPNESS, CAPTION_CROWD, PICTURE_CROWD, CONSTANT)


def pixels(images: Sequence[Image.Image]) -> Floats:
    """Turn upright RGB pictures into the image tower's input: (n, 3, SIDE, SIDE), channels last."""
    squashed = [np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for image in images]
    batch: npt.NDArray[np.uint8] = np.stack(squashed)  # (n, SIDE, SIDE, 3)
    scaled: Floats = (batch.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return scaled.transpose(0, 3, 1, 2)  # a view: channels stay last in memory


class WordPieces:
    """A tokenizer of BERT's kind, cut to TEXT_LIMIT."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._first, self._last = map(self._tokenizer.token_to_id, ("[CLS]", "[SEP]"))

    def encode(self, texts: Sequence[str]) -> tuple[Ids, Bitmap]:
        """Turn texts into ids (n, t) int64 and `real` (n, t) bool, t being the longest of them."""
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        rows: list[list[Any]] = [[self._first, *row.ids[: TEXT_LIMIT - 2], self._last] for row in found]
        lengths = np.array(list(map(len, rows)))
        real: Bitmap = np.arange(lengths.max()) < lengths[:, None]
        ids: Ids = np.zeros(real.shape, dtype=np.int64)
        ids[real] = np.concatenate(rows)
        return ids, real

    def count(self, text: str) -> int:
        """Count a text's word pieces, uncut, with [CLS] and [SEP]."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids) + 2

    def spans(self, text: str) -> list[tuple[str, int, int]]:
        """List the words of a text with the pieces each covers: (word, start, stop), [CLS] not counted."""
        row = self._tokenizer.encode(text, add_special_tokens=False)
        spans: list[tuple[str, int, int]] = []
        for piece, word in enumerate(row.word_ids[: TEXT_LIMIT - 2]):
            begin, end = row.offsets[piece]
            if piece and word == row.word_ids[piece - 1]:
                start = spans[-1][1]
                spans[-1] = (text[row.offsets[start][0] : end], start, piece + 1)
            else:
                spans.append((text[begin:end], piece, piece + 1))
        return spans
