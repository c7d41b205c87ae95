"""What a plain query pays for all the ways there are to ask: a whole search against its bare parts.

    python -m bench.overhead [--items 300] [--rounds 200]

The bare path asks the store for its revision, encodes the words, scans the index, reads the tokens of a
hundred candidates, reranks them and fetches ten items, and nothing else: no query language, no signals,
groups, pages or verdict. Both answer the same queries over the same made-up pictures, turn by turn in one
process, and must give the same hits. Counts processor time, so other work on the machine hardly does: each
turn compares the two ways a moment apart, and what is printed is the median of the turns' ratios with its
95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from bench.machine import describe
from engine import Item, SearchEngine
from engine.index import make_index
from engine.models import load_model
from engine.rerank import Candidates, Read
from engine.store import Store
from engine.tokens import TokenStore

DEPTH, K, SEED = 100, 10, 0
QUERIES = (
    "two dogs in snow",
    "a red barn at dusk",
    "people on a beach",
    "a child with a ball",
    "a city at night",
)


def pictures(count: int) -> dict[str, bytes]:
    """Make pictures of colored blocks up, by uri."""
    generator = np.random.default_rng(SEED)
    made = {}
    for number in range(count):
        file = io.BytesIO()
        blocks = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((96, 96), Image.Resampling.BICUBIC).save(file, "PNG")
        made[f"made-up/{number}"] = file.getvalue()
    return made


def bare(engine: SearchEngine, folder: Path, made: dict[str, bytes]) -> Callable[[str], list[int]]:
    """Put the parts of a search together by hand."""
    model, store = load_model("mini", "cpu"), Store(folder / "gallery.db", read_only=True)
    images = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in made.values()]
    encoded = model.encoder.encode_image(images)
    ids = np.array([engine.find(uri).id for uri in made], dtype=np.int64)
    index, tokens, reranker = make_index("flat", model.encoder.dim), TokenStore(), model.reranker
    assert reranker is not None and encoded.tokens is not None and encoded.lengths is not None
    index.add(ids, encoded.vectors)
    tokens.put(ids, encoded.tokens, encoded.lengths)

    def search(words: str) -> list[int]:
        store.revision()
        query = model.encoder.encode_text([words])
        scores, found = index.search(query.vectors, DEPTH)
        candidates = Candidates("image", found[0], scores[0], *tokens.read(found[0]))
        parts = reranker.score(Read("text", "", query), candidates)
        total = np.sum(list(parts.values()), axis=0)
        best = np.argsort(-total, kind="stable")
        reranker.probability(total[best], "text", "image", len(ids))
        chosen: list[int] = found[0][best[:K]].tolist()
        items = store.items(chosen)
        return [item_id for item_id in chosen if item_id in items]

    return search


def _ids(engine: SearchEngine, words: str) -> list[int]:
    result = engine.search(words, k=K)
    return [hit.item.id or 0 for hit in result.hits or result.misses]


def main() -> None:
    """Measure and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    made = pictures(options.items)
    with TemporaryDirectory() as folder, SearchEngine.open(folder, model="mini", device="cpu") as engine:
        engine.add(Item(uri, picture=picture) for uri, picture in made.items())
        by_hand = bare(engine, Path(folder), made)
        times: dict[str, list[float]] = {"bare": [], "whole": []}
        for turn in range(-4, options.rounds):  # the first few warm up
            words, found = QUERIES[turn % len(QUERIES)], dict[str, list[int]]()
            ways = {"bare": lambda: by_hand(words), "whole": lambda: _ids(engine, words)}  # noqa: B023
            for name in sorted(ways, reverse=turn % 2 == 0):  # each goes first as often
                start = time.process_time()
                found[name] = ways[name]()
                if turn >= 0:
                    times[name].append(1000 * (time.process_time() - start))
            assert found["bare"] == found["whole"], "not the same hits"
    alone, whole = (float(np.median(times[name])) for name in ("bare", "whole"))
    ratios = np.array(times["whole"]) / np.array(times["bare"])
    drawn = np.random.default_rng(SEED).choice(ratios, size=(2000, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    print(f"| bare | whole search | ratio |\n| --- | --- | --- |\n| {alone:.2f} ms | {whole:.2f} ms | "
          f"{whole / alone:.3f} |")  # fmt: skip
    print(f"\nRatio turn by turn: median {np.median(ratios):.3f} ({low:.3f}-{high:.3f}).")
    print(f"{options.items} items, {options.rounds} turns, seed {SEED}, on {describe()}.")


if __name__ == "__main__":
    main()
