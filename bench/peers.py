"""Other search libraries on the same vectors, side by side in one run: build, recall@10, time of a query.

    python -m bench.peers [--items 100000] [--dim 512] [--cache data/cache/bench]

Needs the peers: pip install 'crosslight[bench]'. Each is built with the parameters its own documentation
gives, and then told to look harder until it finds 0.99 of the true ten on 100 queries; it is measured on 100
others, one at a time, in turn with the rest. `crosslight` is a whole search by the engine, the hits' metadata
fetched; all others return ids alone. The processor's seconds of a build are those of all threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import faiss as faiss_library
import numpy as np

from bench.galleries import build, opened
from bench.indexes import Data, arguments
from bench.million import when
from bench.recall import NEAR
from bench.timing import medians
from engine.types import Floats, Ids

faiss: Any = faiss_library
TARGET = 0.99
ASKED = 100  # queries to tune on, and as many others to measure on
EFFORTS = (16, 32, 64, 128, 256, 512, 1024)

Search: TypeAlias = Callable[[Floats, int], Any]  # one query (dim,) and an effort -> row numbers


@dataclass(frozen=True)
class Peer:
    """One library: how it is set up, and a function that fills it and returns its search."""

    name: str
    settings: str
    fill: Callable[[Floats, Path], Search]
    is_exact: bool = False


def faiss_hnsw(vectors: Floats, _folder: Path) -> Search:
    index = faiss.index_factory(vectors.shape[1], "HNSW32,Flat", faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)

    def search(query: Floats, effort: int) -> Any:
        return index.search(query[None], 10, params=faiss.SearchParametersHNSW(efSearch=effort))[1][0]

    return search


def faiss_flat(vectors: Floats, _folder: Path) -> Search:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda query, _effort: index.search(query[None], 10)[1][0]


def usearch(vectors: Floats, _folder: Path) -> Search:
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(vectors)), vectors)

    def search(query: Floats, effort: int) -> Any:
        index.expansion_search = effort
        return index.search(query, 10).keys

    return search


def hnswlib(vectors: Floats, _folder: Path) -> Search:
    import hnswlib as library

    index = library.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=200, M=16)
    index.add_items(vectors, np.arange(len(vectors)))

    def search(query: Floats, effort: int) -> Any:
        index.set_ef(max(effort, 10))
        return index.knn_query(query, k=10)[0][0]

    return search


def sqlite_vec(vectors: Floats, folder: Path) -> Search:
    import apsw  # Python's own sqlite3 is often built without extensions
    import sqlite_vec as library

    connection = apsw.Connection(str(folder / "vectors.db"))
    connection.enable_load_extension(True)
    connection.load_extension(library.loadable_path())
    connection.execute(
        f"CREATE VIRTUAL TABLE v USING vec0(embedding float[{vectors.shape[1]}] distance_metric=cosine)"
    )
    rows = ((n, vector.tobytes()) for n, vector in enumerate(vectors))
    with connection:
        connection.executemany("INSERT INTO v (rowid, embedding) VALUES (?, ?)", rows)
    asked = "SELECT rowid FROM v WHERE embedding MATCH ? AND k = 10"
    return lambda query, _effort: [row[0] for row in connection.execute(asked, (query.tobytes(),))]


def lancedb(vectors: Floats, folder: Path) -> Search:
    import lancedb as library
    import pyarrow
    from lancedb.index import IvfPq

    columns = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), vectors.shape[1])
    rows = pyarrow.table({"n": pyarrow.array(np.arange(len(vectors))), "vector": columns})
    table = library.connect(folder / "lance").create_table("vectors", rows)
    table.create_index("vector", config=IvfPq(distance_type="cosine"))

    def search(query: Floats, effort: int) -> Any:
        found = table.search(query).distance_type("cosine").nprobes(effort).refine_factor(10).limit(10)
        return found.select(["n", "_distance"]).to_arrow()["n"].to_numpy()

    return search


PEERS = (
    Peer("FAISS flat", "IndexFlatIP", faiss_flat, is_exact=True),
    Peer("FAISS HNSW", "HNSW32, efConstruction 40", faiss_hnsw),
    Peer("usearch", "f32, its default connectivity 16 and expansion 128", usearch),
    Peer("hnswlib", "M 16, ef_construction 200", hnswlib),
    Peer("sqlite-vec", "vec0, exact", sqlite_vec, is_exact=True),
    Peer("LanceDB", "IVF_PQ, its default partitions and sub-vectors, refine 10", lancedb),
)


@dataclass(frozen=True)
class Asked:
    """The vectors, some queries, and the cosine of the tenth best answer to each."""

    vectors: Floats
    queries: Floats
    tenth: Floats

    def recall(self, find: Callable[[int], Ids]) -> float:
        """Return recall@10 of what is found, row numbers, for the number of each query."""
        found = [self.vectors[find(n)] @ q for n, q in enumerate(self.queries)]
        return (
            float(
                np.mean([(own >= least - NEAR).sum() for own, least in zip(found, self.tenth, strict=True)])
            )
            / 10
        )


def asked(data: Data) -> tuple[Asked, Asked]:
    """Return what to tune on and what to measure on."""
    vectors, queries = data.vectors(), data.queries(2 * ASKED)
    tenth = faiss.knn(queries, vectors, 10, metric=faiss.METRIC_INNER_PRODUCT)[0][:, -1]
    halves = slice(ASKED), slice(ASKED, None)
    first, second = (Asked(vectors, queries[half], tenth[half]) for half in halves)
    return first, second


def tuned(search: Search, tune: Asked) -> int:
    """Return the least effort that reaches the target, else the greatest."""
    for effort in EFFORTS:
        if tune.recall(partial(_row_numbers, search, tune, effort)) >= TARGET:
            return effort
    return EFFORTS[-1]


def _row_numbers(search: Search, asked: Asked, effort: int, n: int) -> Ids:
    found: Ids = np.asarray(search(asked.queries[n % ASKED], effort), dtype=np.int64)
    return found


def main() -> None:
    """Build, tune and measure each, and print the table."""
    options = arguments(__doc__, items=[100_000])
    data = Data(options.cache, options.items[0], options.dim)
    build(data, "hnsw")
    tune, measure = asked(data)
    vectors = np.array(data.vectors())
    rows: dict[str, str] = {}
    ways: dict[str, Callable[[int], object]] = {}
    with TemporaryDirectory() as folder, opened(data, "hnsw") as engine:
        for peer in PEERS:
            wall, cpu = time.perf_counter(), time.process_time()
            search = peer.fill(vectors, Path(folder))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            effort = 0 if peer.is_exact else tuned(search, tune)
            find = partial(_row_numbers, search, measure, effort)
            looks = "" if peer.is_exact else f", looks at {effort}"
            rows[peer.name] = (
                f"{peer.settings}{looks} | {wall:.0f} s | {cpu:.0f} s | {measure.recall(find):.3f}"
            )
            ways[peer.name] = find
        choice = data.index("hnsw")[1]

        def ours(n: int) -> Ids:
            hits = engine.search(f"query {ASKED + n % ASKED}", k=10)
            return np.array([int(hit.item.text or 0) for hit in hits])

        rows["crosslight"] = (
            f"HNSW by the autopilot, looks at {choice.effort}, with metadata | | | {measure.recall(ours):.3f}"
        )
        ways["crosslight"] = ours
        taken = medians(ways, ASKED)
    print("| library | settings | build | of the processor | recall@10 | a query |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, cells in rows.items():
        print(f"| {name} | {cells} | {taken[name]:.2f} ms |")
    print(f"\n{data.items:,} x {data.dim}, medians of {ASKED} queries in turn; {when()}")


if __name__ == "__main__":
    main()
