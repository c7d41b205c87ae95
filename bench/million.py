"""What the engine adds to bare FAISS: one search, a batch of 100, and opening the gallery.

    python -m bench.million [--items 1000000] [--dim 512] [--kinds flat hnsw] [--cache data/cache/bench]

Both sides ask the same index file, mapped, for 10 hits and look equally hard, each query twice, of which
the second time counts: the first has brought what it needs of the file into memory. The engine reads the
query, looks whether the gallery has changed, searches, and fetches the hits with their metadata from SQLite.
There is no batch search in the engine's interface: a batch is measured as one search of its index and one
fetch of all the hits. Opening is measured in a new process each time, modules loaded. All times are of the
processor (see `bench.timing`).
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import faiss as faiss_library
import numpy as np

from bench.galleries import build, opened
from bench.indexes import KINDS, Data, arguments
from bench.machine import describe
from bench.timing import medians
from engine import SearchEngine
from engine.index import make_index
from engine.index.recipes import RECIPES
from engine.store import Store
from engine.types import Floats, Ids

faiss: Any = faiss_library
RUNS = 200
BATCH, BATCHES = 100, 10
OPENINGS = 5


class Bare:
    """FAISS alone on the very index file of a gallery: how a file lies in the page cache matters."""

    def __init__(self, data: Data, kind: str) -> None:
        _, choice = data.index(kind)
        (path,) = (data.folder / f"{kind}.gallery" / "generations").glob("*/caption.index")
        self.stem = path.with_suffix("")
        self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        self._parameters = RECIPES[kind].parameters(choice.effort, 10) if kind in RECIPES else None

    def search(self, queries: Floats) -> tuple[Floats, Ids]:
        scores, rows = self._index.search(queries, 10, params=self._parameters)
        return scores, rows


def single(data: Data, kind: str, engine: SearchEngine) -> dict[str, float]:
    """Return the median milliseconds of one search, bare and by the engine."""
    bare, queries = Bare(data, kind), data.queries()

    def alone(run: int) -> object:
        return bare.search(queries[run : run + 1])

    def whole(run: int) -> object:
        return engine.search(f"query {run}", k=10)

    return medians({"first bare": alone, "first engine": whole, "bare": alone, "engine": whole}, RUNS)


def batches(data: Data, kind: str, store: Store) -> dict[str, float]:
    """Return the median milliseconds of a batch of searches, bare and by the engine's index and store."""
    bare, queries = Bare(data, kind), data.queries()
    index = make_index(kind, data.dim, data.index(kind)[1])
    index.load(bare.stem, data.rows(kind))

    def some(run: int) -> Floats:
        return queries[run % BATCHES * BATCH :][:BATCH]

    def ours(run: int) -> object:
        ids = np.unique(index.search(some(run), 10)[1])
        return store.items(ids[ids >= 0].tolist())

    return medians({"bare": lambda run: bare.search(some(run)), "engine": ours}, BATCHES)


OPEN = """
import sys, time
from pathlib import Path
from bench.galleries import opened
from bench.indexes import Data
data = Data(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
import faiss, sqlalchemy, engine.search
start = time.process_time()
gallery = opened(data, sys.argv[4])
print(time.process_time() - start)
gallery.search("query 1", k=10)
print(time.process_time() - start)
"""


def opening(data: Data, kind: str) -> tuple[float, float]:
    """Return the median seconds until a gallery is open, and until it has answered its first query."""
    words = [str(data.cache), str(data.items), str(data.dim), kind]
    taken = []
    for _ in range(OPENINGS):
        run = subprocess.run([sys.executable, "-c", OPEN, *words], capture_output=True, text=True, check=True)
        taken.append([float(line) for line in run.stdout.split()])
    first, second = np.median(taken, axis=0)
    return float(first), float(second)


def main() -> None:
    """Measure and print the table."""
    options = arguments(__doc__, KINDS, kinds=["flat", "hnsw"])
    print("| items | kind | what | bare FAISS | engine | more | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for items in options.items:
        data = Data(options.cache, items, options.dim)
        for kind in options.kinds:
            build(data, kind)
            with opened(data, kind) as engine:
                one = single(data, kind, engine)
            store = Store(data.folder / f"{kind}.gallery" / "gallery.db", read_only=True)
            for what, taken in {"one query": one, f"batch of {BATCH}": batches(data, kind, store)}.items():
                more, ratio = taken["engine"] - taken["bare"], taken["engine"] / taken["bare"]
                cells = f"{taken['bare']:.2f} ms | {taken['engine']:.2f} ms | {more:.2f} ms | {ratio:.2f}"
                print(f"| {items:,} | {kind} | {what} | {cells} |", flush=True)
            store.close()
    print("\n| items | kind | open | open and first answer |\n| --- | --- | --- | --- |")
    for items in options.items:
        for kind in options.kinds:
            first, second = opening(Data(options.cache, items, options.dim), kind)
            print(f"| {items:,} | {kind} | {first:.2f} s | {second:.2f} s |", flush=True)
    runs = f"{RUNS} queries, {BATCHES} batches and {OPENINGS} openings"
    print(f"\nDimension {options.dim}, medians of {runs}; {when()}")


def when() -> str:
    """Say on what, and when."""
    return f"{time.strftime('%Y-%m-%d')}, {describe()}."


if __name__ == "__main__":
    main()
