"""What encoding a picture costs, beside the bare towers and beside reranking.

    python -m bench.encoding [--pictures DIR] [--runs 10]

- encode: files to vectors and tokens, decoding included, against the bare towers on ready pixels, by batch,
  as ONNX Runtime runs them, and beside them by torch;
- rerank: a hundred candidates, against encoding a hundred pictures again;

Every way takes its turn in one process, and the processor time of one thread is counted, so other work on the
machine falls on all alike. Prints tables of Markdown.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from bench.machine import describe
from bench.timing import medians
from engine.encoders.mini import EXAMPLES, MiniEncoder, load_mini
from engine.encoders.mini_modules import image_tower
from engine.encoders.mini_shape import pixels
from engine.encoders.mini_towers import fold_batch_norms
from engine.encoders.onnx_graph import Run, by_torch, kept_graph, make_graph
from engine.encoders.weights import mini_weights
from engine.fusion_reranker import FusionReranker
from engine.rerank import Candidates, Read
from engine.types import Floats

SAMPLE = Path(__file__).parent.parent / "data" / "sample"
BATCHES = (1, 2, 4, 8)
DEPTH = 100
QUERY = "two people walk along a beach with a dog"


def bare(folder: Path) -> tuple[Run, Run]:
    """Return what runs the published towers, by torch and from a graph; what was tuned costs the same."""
    tower, kept = image_tower(mini_weights()), folder / "tower-0"
    fold_batch_norms(tower)
    make_graph(tower, EXAMPLES["image"], kept)
    graph = kept_graph(kept)
    assert graph is not None, "the exporter says why"
    return by_torch(tower, "cpu"), graph


def encoding(encoder: MiniEncoder, files: list[bytes], runs: int) -> list[str]:
    """Time encoding from files against the bare towers, a row a batch."""
    lines = []
    with TemporaryDirectory() as folder:
        torchs, graph = bare(Path(folder))
    for size in BATCHES:
        chosen = list(itertools.islice(itertools.cycle(files), size))
        ready = pixels([_decoded(file) for file in chosen])

        def whole(_run: int, chosen: list[bytes] = chosen) -> object:
            return encoder.encode_image([_decoded(file) for file in chosen])

        def alone(_run: int, ready: Floats = ready) -> object:
            return graph(ready)

        def by_torch(_run: int, ready: Floats = ready) -> object:
            return torchs(ready)

        taken = medians({"encode": whole, "bare": alone, "torch": by_torch}, runs)
        rates = {name: 1000 * size / spent for name, spent in taken.items()}
        cells = " | ".join(f"{rates[name]:.1f}" for name in ("torch", "bare", "encode"))
        lines.append(f"| {size} | {cells} | {rates['encode'] / rates['bare']:.2f} |")
    return lines


def reranking(encoder: MiniEncoder, reranker: FusionReranker, files: list[bytes], runs: int) -> str:
    """Time reranking DEPTH candidates against encoding as many pictures."""
    images = [_decoded(file) for file in files]
    encoded, query = encoder.encode_image(images), encoder.encode_text([QUERY])
    assert encoded.tokens is not None and encoded.lengths is not None
    chosen = np.arange(DEPTH) % len(images)
    recall = np.linspace(1, 0, DEPTH, dtype=np.float32)
    candidates = Candidates("image", chosen, recall, encoded.tokens[chosen], encoded.lengths[chosen])
    four = images[:4]
    ways: dict[str, Callable[[int], object]] = {
        "rerank": lambda _run: reranker.score(Read("text", QUERY, query), candidates),
        "encode": lambda _run: encoder.encode_image(four),
    }
    taken = medians(ways, runs)
    again = taken["encode"] * DEPTH / len(four)
    return (
        f"Reranking {DEPTH} candidates takes {taken['rerank']:.1f} ms, encoding {DEPTH} pictures again "
        f"{again:,.0f} ms: {again / taken['rerank']:.0f} times as long."
    )


def _decoded(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def small(path: Path) -> bytes:
    """Save a picture as a JPEG of the size that photographs have on the web: decoding is paid for too."""
    file, image = io.BytesIO(), Image.open(path).convert("RGB")
    image.thumbnail((640, 640))
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def main() -> None:
    """Time everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=Path, default=SAMPLE, help="a folder of pictures")
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of graphs, which are loaded later
    torch.set_num_threads(1)
    found = sorted(p for p in options.pictures.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = [small(path) for path in found]
    encoder, reranker = load_mini()
    print("| pictures at a time | by torch, a second | bare towers, a second | encoded, a second | ratio |")
    print("| --- | --- | --- | --- | --- |")
    print("\n".join(encoding(encoder, files, options.runs)), flush=True)
    print(f"\n{reranking(encoder, reranker, files, options.runs)}\n", flush=True)
    print(f"\n{len(files)} pictures, {options.runs} runs, one thread of {describe()}.")


if __name__ == "__main__":
    main()
