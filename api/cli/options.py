"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

DEFAULT_GALLERY = Path("crosslight.gallery")


def model_keys(incomplete: str) -> list[str]:
    """Complete a model's key in the shell; behind a colon stands a name that only the reader knows."""
    from engine.models import list_models

    keys = ("".join(row.key.partition(":")[:2]) for row in list_models())
    return [key for key in keys if key.startswith(incomplete)]


GalleryOption = Annotated[
    Path,
    typer.Option(
        "--gallery", "-g", envvar="CROSSLIGHT_GALLERY", help="The gallery's directory.", metavar="DIR"
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model key; by default the gallery's own, or mini for a new one.",
        metavar="KEY",
        autocompletion=model_keys,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device", help="Where the model runs, such as cpu or cuda; chosen by itself.", metavar="NAME"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else.")]
RerankOption = Annotated[
    bool, typer.Option("--rerank/--no-rerank", help="Reorder the first hits with the second, finer model.")
]
RerankerOption = Annotated[
    str | None,
    typer.Option(
        "--reranker",
        metavar="KEY",
        help="Reorder with this model, which reads the pictures again: hf:NAME_OR_PATH or st:NAME_OR_PATH.",
    ),
]
KindOption = Annotated[
    Literal["image", "text"] | None, typer.Option("--kind", help="Find only pictures, or only texts.")
]
FilterOption = Annotated[
    str | None,
    typer.Option(
        "--filter",
        metavar="EXPRESSION",
        help="Find only items that fit, such as 'year >= 2020 and has place'.",
    ),
]
