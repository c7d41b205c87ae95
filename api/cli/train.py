"""`crosslight train`: a gallery learns from its own captions, and keeps what is better."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, GalleryOption, JsonOption
from api.cli.output import guarded, note, show_json, stdout

if TYPE_CHECKING:
    from training.tune import Options, Outcome

train = typer.Typer(
    help="Train a gallery's own reranker, reencoder or heads on its captions.", no_args_is_help=True
)
PairsOption = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        metavar="FILE",
        help="A table of uri and caption to learn from, in place of the gallery's own captions.",
    ),
]
StepsOption = Annotated[int, typer.Option("--steps", min=1, metavar="N", help="How many steps to train.")]
BatchOption = Annotated[
    int | None,
    typer.Option("--batch", min=2, metavar="N", help="Pictures in a step; fewer take less time and memory."),
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, metavar="N", help="Seed of the split and of the training.")
]
FamilyOption = Annotated[
    str, typer.Option("--family", help="How words and picture read each other: cross, two or single.")
]
DepthOption = Annotated[int, typer.Option("--depth", min=1, metavar="N", help="Layers of the reranker.")]
WidthOption = Annotated[
    int | None, typer.Option("--width", metavar="N", help="Width of its states; by default that of a token.")
]
REFUSED = 1


@train.command()
@guarded
def reranker(
    gallery: GalleryOption = DEFAULT_GALLERY,
    pairs: PairsOption = None,
    steps: StepsOption = 500,
    batch: BatchOption = None,
    seed: SeedOption = 0,
    family: FamilyOption = "cross",
    depth: DepthOption = 1,
    width: WidthOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the second, finer model on the stored tokens of captioned pictures."""
    from training.tune import Options

    _train("reranker", gallery, pairs, Options(seed, steps, batch, family, depth, width), as_json)


@train.command()
@guarded
def reencoder(
    gallery: GalleryOption = DEFAULT_GALLERY,
    pairs: PairsOption = None,
    steps: StepsOption = 500,
    batch: BatchOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train what the vectors of words ask pictures with; nothing is indexed again."""
    from training.tune import Options

    _train("reencoder", gallery, pairs, Options(seed, steps, batch), as_json)


@train.command()
@guarded
def heads(
    gallery: GalleryOption = DEFAULT_GALLERY,
    pairs: PairsOption = None,
    steps: StepsOption = 500,
    batch: BatchOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train maps of pictures and of words; `crosslight migrate` then brings the gallery to them."""
    from training.tune import Options

    _train("heads", gallery, pairs, Options(seed, steps, batch), as_json)


@train.command()
@guarded
def drop(gallery: GalleryOption = DEFAULT_GALLERY, as_json: JsonOption = False) -> None:
    """Go back to the model's own reranker and vectors."""
    from engine import SearchEngine
    from engine.learned import drop as forget

    with SearchEngine.open(gallery, create=False) as engine, engine.writing():
        dropped = forget(gallery)
    if as_json:
        show_json({"dropped": dropped})
    else:
        stdout.print("the model's own parts are used" if dropped else "nothing of its own was in use")


def _train(stage: str, gallery: Path, pairs: Path | None, options: Options, as_json: bool) -> None:
    from api.cli.progress import progress_bar, stages
    from indexer.pairs import read_pairs
    from training.tune import tune

    captions = None if pairs is None else read_pairs(pairs)
    with progress_bar() as bar:
        outcome = tune(gallery, stage, options, captions, stages(bar), note)
    if as_json:
        show_json({"accepted": outcome.kept is not None, "set": outcome.kept, **_said(outcome)})
    else:
        _show(outcome, gallery)
    if outcome.kept is None:
        raise typer.Exit(REFUSED)


def _said(outcome: Outcome) -> dict[str, Any]:
    model = {} if outcome.model is None else {"model": outcome.model}
    notes = list(outcome.notes)
    return {**model, "reason": outcome.verdict.reason, "notes": notes, "card": dict(outcome.card)}


def _show(outcome: Outcome, gallery: Path) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("direction", "", "R@1", "R@5", "R@10"):
        table.add_column(name, justify="right" if name.startswith("R@") else "left")
    for way, found in outcome.verdict.figures.items():
        for when in ("before", "after"):
            table.add_row(way, when, *(_range(value, ".1f", "-") for value in found[when].values()))
        table.add_row(way, "gain of their mean", _range(found["gain"], "+.1f", " to "))
    stdout.print(table)
    card = outcome.card
    words = f"{card['measured_on']} held-back pictures among {card['pictures']}, 95 % intervals"
    stdout.print(Text(f"{words}; seed {card['seed']}", style="dim"))
    if outcome.kept is None:
        note(f"refused: {outcome.verdict.reason}; what was in use stays in use")
    elif outcome.model is None:
        use = "searches for pictures by words use it from now on"
        words = f"kept as set {outcome.kept}: {outcome.verdict.reason}; {use}"
        stdout.print(Text(words), soft_wrap=True)
    else:
        stdout.print(f"kept as set {outcome.kept}: {outcome.verdict.reason}; bring the gallery to it with:")
        command = ["crosslight", "migrate", "--gallery", str(gallery), "--model", outcome.model]
        stdout.print(Text(shlex.join(command)), soft_wrap=True)


def _range(found: Sequence[float], style: str, between: str) -> str:
    value, low, high = (format(number, style) for number in found)
    return f"{value} ({low}{between}{high})"
