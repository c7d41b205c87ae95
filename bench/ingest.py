"""The indexing pipeline: its rate beside that of the bare model, and its memory as the gallery grows.

    python -m bench.ingest rate --data DIR [--pictures 1000]
    python -m bench.ingest memory [--pictures 100000] [--plot docs/memory.svg]

`rate` indexes photographs of Flickr8k val (DIR holds `flickr8k/flickr8k-val-00.tar`) with `mini`, reading and
decoding included, and in turn with it runs the model alone over the same photographs, decoded beforehand;
pictures a second of the processor, all threads counted.
`memory` indexes small made-up pictures with the color model, one file each, and notes the process's
anonymous memory (without mapped files) along the way, and the most it was in between, as an index is built.
"""

from __future__ import annotations

import argparse
import time
from io import BytesIO
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from bench.million import when
from bench.resident import resident, watched
from engine import SearchEngine
from engine.models import load_model
from engine.pictures import load_picture
from indexer.captioned import captioned_pictures
from indexer.pipeline import BATCH, index

PHOTOS = "flickr8k/flickr8k-val-00.tar"
ROUNDS = 3
MARKS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
SEED = 0
SIDE = 16  # pixels of a made-up picture


def rate(data: Path, count: int) -> None:
    """Print pictures a second of the pipeline and of the bare model, round by round."""
    sources = [pair.picture for pair in islice(captioned_pictures(data / PHOTOS), count)]
    print("| round | pipeline | bare model | ratio |\n| --- | --- | --- | --- |")
    ratios = []
    with TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for n, source in enumerate(sources):
            (photos / f"{n:05}.jpg").write_bytes(source if isinstance(source, bytes) else source.read_bytes())
        images = [load_picture(path).image for path in sorted(photos.iterdir())]
        encoder = load_model("mini").encoder
        encoder.encode_image(images[:BATCH])
        for number in range(ROUNDS):
            with SearchEngine.open(Path(folder) / f"{number}.gallery", model="mini") as engine:
                engine.load().encoder.encode_image(images[:1])  # the tower is loaded with the first picture
                start = time.process_time()
                report = index(engine, [photos])
                whole = time.process_time() - start
            assert report.added == len(images), report
            start = time.process_time()
            for first in range(0, len(images), BATCH):
                encoder.encode_image(images[first : first + BATCH])
            bare = time.process_time() - start
            ratios.append(bare / whole)
            rates = f"{len(images) / whole:.1f}/s | {len(images) / bare:.1f}/s | {bare / whole:.3f}"
            print(f"| {number + 1} | {rates} |", flush=True)
    print(f"\n{len(images):,} photographs, median ratio {np.median(ratios):.3f}; {when()}")


def memory(count: int, plot: Path) -> None:
    """Print and draw the memory of one indexing run by the pictures done."""
    points: dict[int, tuple[float, float]] = {}

    def progress(done: int, _total: int | None) -> None:
        for mark in MARKS:
            if done >= mark and mark not in points:
                points[mark] = resident(), most[0]
                most[0] = 0
                print(f"| {mark:,} | {points[mark][0]:.0f} MB | {points[mark][1]:.0f} MB |", flush=True)

    print("| pictures | memory | the most until then |\n| --- | --- | --- |", flush=True)
    with TemporaryDirectory() as folder, watched() as most:
        photos = Path(folder) / "photos"
        make_pictures(photos, count)
        with SearchEngine.open(Path(folder) / "made-up.gallery", model="color") as engine:
            start = time.process_time()
            index(engine, [photos], progress=progress)
            seconds = time.process_time() - start
    print(f"\n{count:,} pictures in {seconds:.0f} s of the processor, color model; {when()}")
    draw(points, plot)


def make_pictures(folder: Path, count: int) -> None:
    """Write small PNG files of random colors, a thousand to a folder."""
    generator = np.random.default_rng(SEED)
    for n in range(count):
        below = folder / f"{n // 1000:04}"
        if n % 1000 == 0:
            below.mkdir(parents=True)
        out = BytesIO()
        Image.fromarray(generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(out, "PNG")
        (below / f"{n % 1000:03}.png").write_bytes(out.getvalue())


def draw(points: dict[int, tuple[float, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3))
    for column, name in enumerate(("after the last batch", "the most since the mark before")):
        axes.semilogx(list(points), [point[column] for point in points.values()], marker="o", label=name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("pictures indexed")
    axes.set_ylabel("anonymous memory, MB")
    axes.legend()
    axes.grid(True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("rate")
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--pictures", type=int, default=1000)
    two = commands.add_parser("memory")
    two.add_argument("--pictures", type=int, default=100_000)
    two.add_argument("--plot", type=Path, default=Path("docs/memory.svg"))
    options = parser.parse_args()
    if options.what == "rate":
        rate(options.data, options.pictures)
    else:
        memory(options.pictures, options.plot)


if __name__ == "__main__":
    main()
