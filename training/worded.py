"""What a gallery with captions says: pictures, captions and words together, as recall fuses them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from engine import Item, SearchEngine
from engine.encoders.mini import MiniEncoder
from engine.hybrid import Balance, total, weigh
from engine.lexical import Lexicon
from engine.store import Store
from engine.types import Signal
from training.data import Photo
from training.evidence import Asked, Said
from training.gallery import Floats, Ints

SHARES = (0.05, 0.3, 0.6, 1.0)  # of the pictures that have a caption
EVEN = dict.fromkeys(Signal, 1.0)


def worded(
    encoder: MiniEncoder, photos: Sequence[Photo], asked: Asked, balance: Balance, rng: np.random.Generator
) -> list[Said]:
    """Return, for each of SHARES, what recall says of pictures of which so many have their first caption.

    `photos` are the pictures of `asked`, in their order.
    """
    first = [photo.captions[0] for photo in photos]
    captions = asked.texts.vectors[asked.rows] @ encoder.encode_text(first).vectors.T
    words = lexical(first, asked.words)

    def said(share: float, query: int, chosen: Ints) -> Floats:
        has_caption = rng.random(len(chosen)) < share
        scores = {
            Signal.VISUAL: asked.cosines[query, chosen],
            Signal.CAPTION: np.where(has_caption, captions[query, chosen], np.nan).astype(np.float32),
            Signal.LEXICAL: np.where(has_caption, words[query, chosen], np.nan).astype(np.float32),
        }
        return total(weigh({Signal.VISUAL.value: scores[Signal.VISUAL]}, scores, EVEN, balance))

    return [partial(said, share) for share in SHARES]


def lexical(captions: Sequence[str], queries: Sequence[str]) -> Floats:
    """Score captions by the words of queries, as a gallery of them does: (q, n), NaN where none is shared."""
    scores = np.full((len(queries), len(captions)), np.nan, dtype=np.float32)
    with TemporaryDirectory() as folder:
        with SearchEngine.open(folder, model="color") as engine:
            engine.add(
                (Item(f"caption:{n}", "text", text) for n, text in enumerate(captions)), batch_size=256
            )
            ids = np.array([engine.find(f"caption:{n}").id for n in range(len(captions))], dtype=np.int64)
        place = np.full(int(ids.max()) + 1, -1)
        place[ids] = np.arange(len(ids))
        store, lexicon = Store(Path(folder) / "gallery.db", read_only=True), Lexicon()
        for row, query in enumerate(queries):
            found, own = lexicon.find(store, Signal.LEXICAL, (query,), "text")
            scores[row, place[found]] = own
        store.close()
    return scores
