"""`crosslight migrate`: another model for a gallery that goes on serving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption
from api.cli.output import fail, guarded, name_of, note, plain, show_json, stdout
from engine.errors import BadInput

if TYPE_CHECKING:
    from engine.comparison import Comparison
    from engine.migration import Migrated

MISSING_SHOWN = 20

ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="KEY", help="The model to change to.", show_default=False)
]
BackOption = Annotated[bool, typer.Option("--back", help="Go back to the model before the last change.")]
FinishOption = Annotated[bool, typer.Option("--finish", help="Drop the vectors of the model before.")]
QueriesOption = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        metavar="FILE",
        help="Compare the models on these texts, one a line; by default on the gallery's own.",
        exists=True,
        dir_okay=False,
    ),
]
AllowMissingOption = Annotated[
    bool, typer.Option("--allow-missing", help="Change even where pictures cannot be read any more.")
]


@guarded
def migrate(
    model: ModelOption = None,
    back: BackOption = False,
    finish: FinishOption = False,
    queries: QueriesOption = None,
    allow_missing: AllowMissingOption = False,
    gallery: GalleryOption = DEFAULT_GALLERY,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a gallery's model while it serves: new vectors beside the old, a comparison, one exchange.

    Interrupted, it goes on where it was. The old vectors stay for --back until --finish or the next change.
    """
    from engine.migration import finish as drop
    from engine.migration import go_back
    from engine.migration import migrate as change

    if sum((model is not None, back, finish)) != 1:
        raise typer.BadParameter("give one of --model, --back, --finish", param_hint="--model")
    if finish:
        _show_dropped(drop(gallery), as_json)
        return
    asked = None if queries is None else _lines(queries)
    with _bar() as progress:
        if model is None:
            done = go_back(gallery, device=device, progress=progress)
        else:
            done = change(
                gallery,
                model,
                device=device,
                queries=asked,
                allow_missing=allow_missing,
                progress=progress,
            )
    if model is not None and done.switched and done.comparison is None:
        note(f"the models were not compared: {done.uncompared}")
    if as_json and done.switched:
        show_json(_document(gallery, done))
    elif not as_json:
        _show(done)
    if not done.switched:
        fail(BadInput(_refusal(done)), as_json, migration=_document(gallery, done))


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not text in UTF-8: {error}") from error
    if not lines:
        raise BadInput(f"{path} holds no query; write one a line")
    return lines


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    from api.cli.progress import progress_bar

    with progress_bar() as bar:
        task = bar.add_task("migrating", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(done: Migrated) -> None:
    for uri, reason in list(done.missing.items())[:MISSING_SHOWN]:
        stdout.print(Text.assemble(("missing ", "red"), name_of(uri), ": ", plain(reason)), soft_wrap=True)
    if len(done.missing) > MISSING_SHOWN:
        note(f"and {len(done.missing) - MISSING_SHOWN:,} more; --json lists every one")
    if done.comparison is not None:
        stdout.print(comparison_table(done, done.comparison))
    if done.switched:
        stdout.print(
            Text(
                f"{plain(done.new)} is searched now, in place of {plain(done.old)} "
                f"({done.made:,} vectors made)"
            ),
            soft_wrap=True,
        )


def comparison_table(done: Migrated, comparison: Comparison) -> Table:
    """Lay out what both models find, one row a model."""
    cuts = list(comparison.recall.get("new", {}))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model")
    for title in (*cuts, "overlap@10"):
        table.add_column(title, justify="right")
    asked = "queries" if comparison.asked == "texts" else "pictures that ask for others"
    shared = f"{comparison.overlap:.0%} of the hits of {comparison.queries} {asked}"
    for name, key, overlap in (("old", done.old, ""), ("new", done.new, shared)):
        table.add_row(plain(key), *(f"{comparison.recall[name][cut]:.1f}" for cut in cuts), overlap)
    return table


def _refusal(done: Migrated) -> str:
    if done.missing:
        return (
            f"{len(done.missing):,} pictures cannot be read any more, so {done.old} is still searched; bring "
            "them back, index again with --sync, or give --allow-missing to keep those items without a vector"
        )
    return "items came faster than vectors were made; run the same command again"


def _document(gallery: Path, done: Migrated) -> dict[str, Any]:
    found = done.comparison
    return {
        "gallery": str(gallery),
        "old": done.old,
        "new": done.new,
        "made": done.made,
        "missing": dict(done.missing),
        "comparison": None
        if found is None
        else {
            "queries": found.queries,
            "asked": found.asked,
            "overlap@10": round(found.overlap, 4),
            "recall": {key: dict(values) for key, values in found.recall.items()},
        },
        "uncompared": done.uncompared or None,
        "switched": done.switched,
    }


def _show_dropped(dropped: int, as_json: bool) -> None:
    if as_json:
        show_json({"dropped": dropped})
    else:
        stdout.print(f"{dropped:,} vectors of other models dropped")
