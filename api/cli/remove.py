"""`crosslight remove`: take items out of a gallery. Their files stay where they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, GalleryOption, JsonOption
from api.cli.output import guarded, show_json, stdout

Uris = Annotated[
    list[str],
    typer.Argument(metavar="URI...", help="The uris, or the paths, of the items.", show_default=False),
]


@guarded
def remove(uris: Uris, gallery: GalleryOption = DEFAULT_GALLERY, as_json: JsonOption = False) -> None:
    """Take items out of a gallery, all of them or none. Picture files are never touched."""
    from engine import SearchEngine

    with SearchEngine.open(gallery, create=False) as engine:
        removed = engine.remove([as_uri(given) for given in uris])
    if as_json:
        show_json({"removed": removed})
    else:
        stdout.print(Text(f"{removed} removed"))


def as_uri(given: str) -> str:
    """Take what looks like a uri as it is, and anything else as the path of a picture file."""
    from engine.pictures import file_uri

    return given if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", given) else file_uri(Path(given))
