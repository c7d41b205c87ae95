"""The `crosslight` command: which subcommands there are. Each lives in a file of its own."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

import engine
from api.cli.ask import ask
from api.cli.caption import caption
from api.cli.config import config
from api.cli.evaluate import evaluate
from api.cli.import_ import import_
from api.cli.index import index
from api.cli.info import info
from api.cli.keys import keys
from api.cli.mcp import mcp
from api.cli.migrate import migrate
from api.cli.models import models
from api.cli.recommend import recommend
from api.cli.remove import remove
from api.cli.search import search
from api.cli.serve import serve
from api.cli.talk import talk
from api.cli.train import train
from api.cli.upkeep import restore, snapshot, verify
from api.cli.watch import watch

app = typer.Typer(
    name="crosslight",
    help="Search pictures with words and words with pictures, and see why each one matched.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(index)
app.command()(watch)
app.command()(search)
app.command()(talk)
app.command()(recommend)
app.command()(caption)
app.command()(ask)
app.command()(serve)
app.command("eval")(evaluate)
app.add_typer(models, name="models")
app.add_typer(train, name="train")
app.add_typer(keys, name="keys")
app.command()(mcp)
app.command("import")(import_)
app.command()(config)
app.command()(info)
app.command()(remove)
app.command()(migrate)
app.command()(verify)
app.command()(snapshot)
app.command()(restore)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crosslight {engine.__version__}")
        raise typer.Exit


@app.callback()
def crosslight(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Search pictures with words and words with pictures, and see why each one matched."""


def run() -> None:
    """Run the command with a terminal that can show any text."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    # Pillow warns of a very large picture and goes on; as an error it becomes that picture's reason.
    warnings.filterwarnings("error", message="Image size .* exceeds limit")
    app()
