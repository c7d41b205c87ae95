"""Made-up vectors that lie as embeddings do: around common centers, most of their spread in few directions.

The spread by direction follows that of `mini`'s 512 on Flickr8k val: it falls to a tenth after some 25
directions and to a hundredth after 110. Queries are drawn as the vectors are, and are none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.index import unit
from engine.types import Floats, Ids

SEED = 0
CENTERS = 1000
BLOCK = 50_000
FALL = 12.0  # directions after which the spread has fallen to a quarter
VECTORS, QUERIES = 1, 2  # which random stream


def blocks(items: int, dim: int, stream: int = VECTORS) -> Iterator[tuple[Floats, Ids]]:
    """Yield (n, dim) unit vectors and the number of each one's center, at most BLOCK at a time."""
    generator = np.random.default_rng(SEED)
    spread = 1 / (1 + np.arange(dim, dtype=np.float32) / FALL)
    turn = np.linalg.qr(generator.standard_normal((dim, dim), dtype=np.float32))[0]
    centers = generator.standard_normal((CENTERS, dim), dtype=np.float32)
    for block, start in enumerate(range(0, items, BLOCK)):
        generator = np.random.default_rng((SEED, stream, block))
        count = min(BLOCK, items - start)
        chosen = generator.integers(0, CENTERS, count)
        noise = generator.standard_normal((BLOCK, dim), dtype=np.float32)[:count]
        yield unit((spread * (centers[chosen] + noise)) @ turn, dim), chosen


def made_up(items: int, dim: int, stream: int = VECTORS) -> Floats:
    """Return (items, dim) unit vectors at once."""
    return np.concatenate([vectors for vectors, _ in blocks(items, dim, stream)])


def kept(path: Path, items: int, dim: int) -> Floats:
    """Return (items, dim) unit vectors from a file, mapped; it is written where it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        out = np.lib.format.open_memmap(aside, mode="w+", dtype=np.float32, shape=(items, dim))
        done = 0
        for vectors, _ in blocks(items, dim):
            out[done : done + len(vectors)] = vectors
            done += len(vectors)
        out.flush()
        aside.rename(path)
    mapped: Floats = np.load(path, mmap_mode="r")
    return mapped
