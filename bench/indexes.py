"""Every kind of index over the same made-up vectors, kept so that measuring need not build them again.

    python -m bench.indexes [--items 1000000] [--dim 512] [--kinds flat hnsw …] [--cache data/cache/bench]

Each is built and tuned by the autopilot as a gallery's is. Builds what is missing, and notes the seconds
on the clock and of the processor.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.made_up import QUERIES, SEED, kept, made_up
from engine.index import APPROXIMATE, Choice, Index, make_index
from engine.index.autopilot import settled
from engine.types import Floats, Ids

CACHE = Path("data/cache/bench")
KINDS = ("flat", *APPROXIMATE)  # those of FAISS
ALL = ("exact", *KINDS)  # exact is in NumPy, for galleries that are not large
ASKED = 1000  # queries there are
MEMORY = 2**36  # no limit: every kind is asked for by name


@dataclass(frozen=True)
class Data:
    """So many made-up vectors of one dimension, the queries, and a folder for what is made of them."""

    cache: Path
    items: int
    dim: int

    @property
    def folder(self) -> Path:
        return self.cache / f"{self.items}x{self.dim}"

    def vectors(self) -> Floats:
        """Return (items, dim) unit vectors, mapped."""
        return kept(self.folder / "made-up.vectors.npy", self.items, self.dim)

    def queries(self, count: int = ASKED) -> Floats:
        """Return the first (count, dim) queries, unit vectors."""
        return made_up(ASKED, self.dim, QUERIES)[:count]

    def ids(self) -> Ids:
        """Return the id that a store gives to each item, in their order."""
        return np.arange(1, self.items + 1)

    def chances(self) -> Floats:
        """Return a number in [0, 1) for each item, so that `chance < 0.1` allows a tenth of them."""
        return np.random.default_rng((SEED, self.items)).random(self.items, dtype=np.float32)

    def index(self, kind: str) -> tuple[Index, Choice]:
        """Return the index of a kind as it is loaded from its files; it is built where it is missing."""
        stem, note = self.folder / kind, self.folder / f"{kind}.json"
        if not note.exists():
            self._build(kind, stem, note)
        choice = Choice(**json.loads(note.read_text("utf-8"))["choice"])
        index = make_index(kind, self.dim, choice)
        index.load(stem, self.rows(kind))
        return index, choice

    def rows(self, kind: str) -> Ids:
        """Return the id of each row of the index of a kind."""
        ids: Ids = np.load(self.folder / f"{kind}.ids.npy")
        return ids

    def _build(self, kind: str, stem: Path, note: Path) -> None:
        self.vectors()
        held = make_index("exact", self.dim)
        held.load(self.folder / "made-up", self.ids())
        wall, cpu = time.perf_counter(), time.process_time()
        index, choice = settled(held, kind, MEMORY, self.queries(0))
        document = {
            "seconds": round(time.perf_counter() - wall, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "choice": asdict(choice),
        }
        np.save(self.folder / f"{kind}.ids.npy", index.save(stem))
        note.write_text(json.dumps(document, indent=1), "utf-8")
        print(f"{self.items:,} {kind}: {document}", flush=True)


def arguments(
    about: str | None, known: Sequence[str] = ALL, **defaults: Sequence[int | str]
) -> argparse.Namespace:
    """Read which sizes and kinds are wanted, of those that are known, and where what is built is kept."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--kinds", nargs="+", choices=known, default=KINDS)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.set_defaults(**defaults)
    return parser.parse_args()


def main() -> None:
    """Build what is missing."""
    options = arguments(__doc__)
    for items in options.items:
        for kind in options.kinds:
            Data(options.cache, items, options.dim).index(kind)


if __name__ == "__main__":
    main()
