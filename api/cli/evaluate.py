"""`crosslight eval`: measure a model on captioned pictures, through the engine's own search."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from api.cli.index import ImagesOption
from api.cli.options import DeviceOption, JsonOption, RerankerOption, RerankOption
from api.cli.output import guarded, plain, show_json, stdout

DIRECTIONS = {"text_to_image": "words to picture", "image_to_text": "picture to words"}

SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="Captioned pictures: a .tar, a table, a folder with a .txt beside each picture, or coco:, "
        "karpathy:, flickr: with a file.",
        show_default=False,
    ),
]
KeyOption = Annotated[str, typer.Option("--model", metavar="KEY", help="The model to measure.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="Only the first N pictures.")
]
DiversityOption = Annotated[
    float,
    typer.Option(
        "--diversity", min=0, max=1, metavar="SHARE", help="Measure searches with this diversity as well."
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the bootstrap intervals.")]


@guarded
def evaluate(
    source: SourceArgument,
    model: KeyOption = "mini",
    rerank: RerankOption = True,
    reranker: RerankerOption = None,
    images: ImagesOption = None,
    limit: LimitOption = None,
    diversity: DiversityOption = 0.0,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure recall, rank and latency of a model on captioned pictures, with and without reranking."""
    from api.cli.progress import progress_bar, stages
    from engine import SearchEngine
    from engine.evaluate import evaluate as measure
    from indexer import Reading
    from indexer.captioned import captioned_pictures

    pairs = islice(captioned_pictures(source, Reading(images)), limit)
    with (
        TemporaryDirectory(prefix="crosslight-eval-") as folder,
        SearchEngine.open(folder, model=model, device=device, reranker=reranker) as engine,
        progress_bar() as bar,
    ):
        engine.load()
        document = measure(
            engine,
            pairs,
            dataset=source.name,
            rerank=rerank,
            diversity=diversity,
            seed=seed,
            progress=stages(bar),
        )
    if as_json:
        show_json(document)
    else:
        show_evaluation(document)


def show_evaluation(document: Mapping[str, Any]) -> None:
    """Print an evaluation as a table: a row for each direction and stage."""
    items = ", ".join(f"{count:,} {name}" for name, count in document["items"].items())
    heading = f"{document['dataset']}: {items}, model {document['model']}"
    stdout.print(Text(plain(heading), style="bold"))
    stages = {stage: document.get(stage) or {} for stage in ("recall", "reranked", "diverse")}
    figures = list(next(iter(document["recall"].values()), {}))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("direction")
    table.add_column("stage")
    for figure in figures:
        table.add_column(figure, justify="right")
    for direction, words in DIRECTIONS.items():
        for stage, measured in stages.items():
            if direction in measured:
                values = measured[direction]
                table.add_row(words, stage, *(_figure(values.get(figure)) for figure in figures))
    stdout.print(table)
    latency = ", ".join(f"{name} {_figure(value)}" for name, value in document["latency_ms"].items())
    stdout.print(Text(f"latency (ms): {latency}; seed {document['seed']}", style="dim"))


def _figure(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else ""
