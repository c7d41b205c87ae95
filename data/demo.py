"""The demo: index a folder of photographs, search it by words and by a picture, and compare the two stages.

    python data/demo.py                  the sample photographs (fetch them first: data/sample.py)
    python data/demo.py /any/folder      photographs of one's own

It goes through the same functions as `crosslight index` and the engine's own search.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from api.cli.hits import item_text
from api.cli.index import Job, index_with_bar, show_report, stop_on_interrupt
from api.cli.output import INTERRUPTED, guarded, plain, stdout
from engine import BadInput, Part, Query, Report, Result, SearchEngine
from engine.types import Hit
from indexer import Reading

SAMPLE = Path(__file__).resolve().parent / "sample"
SAMPLE_GALLERY = Path("demo.gallery")
SAMPLE_QUERIES = (
    "a cat sleeping next to a cup",
    "a cup of coffee",
    "a temple by the water with trees",
    "a man with a camera",
    "a person in an orange suit",
)
QUERIES = ("people outdoors", "a dog", "a building", "food on a table", "flowers")
K = 3


@guarded
def demo(
    photos: Annotated[Path, typer.Argument(help="A folder of photographs.", show_default=False)] = SAMPLE,
    model: Annotated[str | None, typer.Option("--model", metavar="KEY", help="The model to use.")] = None,
) -> None:
    """Index a folder of photographs and search it by words and by a picture."""
    gallery = gallery_of(photos)
    report, start = Report(), time.perf_counter()
    heading(f"Indexing {photos} into {gallery}")
    with stop_on_interrupt() as stop:
        index_with_bar(Job([str(photos)], Reading(), gallery, model), report, stop)
    show_report(report, gallery, time.perf_counter() - start)
    if stop.is_set():
        raise typer.Exit(INTERRUPTED)
    with SearchEngine.open(gallery, create=False) as engine:
        if not len(engine):
            raise BadInput(f"there is no picture in {photos}; give a folder that has some")
        engine.load()
        for words in SAMPLE_QUERIES if photos == SAMPLE else QUERIES:
            compare(engine, Query((Part(text=words),)), f"“{words}”")
        picture = SAMPLE / "cat.png" if photos == SAMPLE else first_picture(engine)
        if picture is not None:
            compare(engine, Query((Part(picture=picture),), kind="image"), f"like the picture {picture.name}")
    closing(gallery)


def gallery_of(photos: Path) -> Path:
    """Name the gallery of a folder: the sample has its own, and so has every other folder."""
    if photos == SAMPLE:
        return SAMPLE_GALLERY
    folder = photos.resolve()
    name = hashlib.sha256(bytes(folder)).hexdigest()[:8]
    return Path(f"demo-{name}.gallery")


def compare(engine: SearchEngine, query: Query, title: str) -> None:
    """Print the first hits of both stages side by side."""
    recalled = engine.search(query, k=K, rerank=False)
    reranked = engine.search(query, k=K, explain=True)
    heading(title)
    stdout.print(side_by_side(recalled, reranked))
    took = (result.timings["total"] for result in (recalled, reranked))
    words = "recall {:.0f} ms, recall and reranking {:.0f} ms".format(*took)
    if not reranked.reranked:
        words += " (this model does not rerank such a query)"
    stdout.print(Text(words, style="dim"))


def side_by_side(recalled: Result, reranked: Result) -> Table:
    """Lay out recall on the left and the final order on the right, with what rank each hit had."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "recall"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    table.add_column("cosine", justify="right")
    table.add_column("reranked", overflow="ellipsis", no_wrap=True)
    for name in ("score", "prob.", "was"):
        table.add_column(name, justify="right")
    for left, right in zip(recalled, reranked, strict=True):
        probability = "" if right.probability is None else f"{right.probability:.0%}"
        rank = f"#{right.explanation.recall_rank}" if right.explanation else ""
        table.add_row(
            str(left.rank),
            label(left),
            f"{left.score:.3f}",
            label(right),
            f"{right.score:.3f}",
            probability,
            rank,
        )
    return table


def label(hit: Hit) -> Text:
    """Name a hit in a narrow column: a picture by its file name alone."""
    if hit.item.kind == "image" and isinstance(hit.item.picture, Path):
        return Text(plain(hit.item.picture.name))
    return item_text(hit)


def first_picture(engine: SearchEngine) -> Path | None:
    """Take the best hit of a query as a picture to search with."""
    hits = engine.search(Query((Part(text=QUERIES[0]),), kind="image"), k=1)
    picture = hits[0].item.picture if hits else None
    return picture if isinstance(picture, Path) else None


def heading(words: str) -> None:
    """Print a line that opens a section."""
    stdout.print()
    stdout.print(Text(plain(words), style="bold"), soft_wrap=True)


def closing(gallery: Path) -> None:
    """Say what to do next."""
    heading("Next")
    place = "" if gallery == SAMPLE_GALLERY else f" GALLERY={gallery}"
    lines = (
        f'crosslight search "a cat" --gallery {gallery} --explain   more of this, and where each word looked',
        f"make serve{place}   the page, with a heat map on every hit",
    )
    for line in lines:
        stdout.print(Text("  " + line), soft_wrap=True)


if __name__ == "__main__":
    typer.run(demo)
