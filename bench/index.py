"""Kinds of index side by side on the same vectors: build time, recall@10, and milliseconds a query.

    python -m bench.index [--items 100000] [--dim 256]

Each kind is built and tuned by the autopilot as for a gallery, and searched one query at a time for
10 hits. The last column is the time of an exact scan by bare FAISS in the same run. The vectors are
made up: clusters with noise, queries among them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import faiss
import numpy as np

from bench.machine import describe
from engine.index import APPROXIMATE, best, make_index, unit
from engine.index.autopilot import recall_at_10, settled
from engine.types import Floats

QUERIES = 100
CENTERS = 1000
NOISE = 1.0  # as long as the vectors of the centers: neighbors are not trivial to find
SEED = 0
MEMORY = 2**36  # no limit: every kind is asked for by name


def made_up(items: int, dim: int, seed: int) -> Floats:
    """Return (items, dim) unit vectors around common centers."""
    centers = np.random.default_rng(SEED).standard_normal((CENTERS, dim), dtype=np.float32)
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((items, dim), dtype=np.float32)
    return unit(centers[generator.integers(0, CENTERS, items)] + NOISE * noise, dim)


def milliseconds(search: Callable[[Floats, int], object], queries: Floats) -> float:
    """Return the median time of one search for 10 hits."""
    times = []
    for query in queries:
        start = time.perf_counter()
        search(query[None], 10)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=256)
    options = parser.parse_args()
    vectors, queries = made_up(options.items, options.dim, 1), made_up(QUERIES, options.dim, 2)
    ids = np.arange(1, options.items + 1)
    bare = faiss.IndexFlatIP(options.dim)
    bare.add(vectors)
    truth, _ = best(queries @ vectors.T, ids, 10)
    print("| kind | build | recall@10 | a query | bare flat FAISS |\n| --- | --- | --- | --- | --- |")
    for kind in ("flat", *APPROXIMATE):
        held = make_index("flat", options.dim)
        held.add(ids, vectors)
        start = time.perf_counter()
        index, _ = settled(held, kind, MEMORY, queries[:0])
        seconds = time.perf_counter() - start
        recall = recall_at_10(index.search(queries, 10)[0], truth)
        row = f"{seconds:.0f} s | {recall:.3f} | {milliseconds(index.search, queries):.2f} ms"
        print(f"| {kind} | {row} | {milliseconds(bare.search, queries):.2f} ms |", flush=True)
    print(f"\n{options.items:,} x {options.dim}, {QUERIES} queries, seed {SEED}, on {describe()}.")


if __name__ == "__main__":
    main()
