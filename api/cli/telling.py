"""What `crosslight caption` and `crosslight ask` share: which picture is meant, and which model tells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.reading import open_to_read
from engine.errors import BadInput

if TYPE_CHECKING:
    from engine import SearchEngine
    from engine.pictures import Picture

PictureArgument = Annotated[
    str, typer.Argument(metavar="PICTURE", help="A picture file, or the id of an item.", show_default=False)
]
TellerOption = Annotated[
    str, typer.Option("--teller", metavar="KEY", help="The model that tells; the bundled one is mini.")
]


def is_item(given: str) -> bool:
    """Say whether an item is meant: digits, and no file of that name."""
    return given.isdecimal() and not Path(given).exists()


def picture_named(given: str, gallery: Path) -> Picture:
    """Read the picture of a file, or of an item of the gallery."""
    from engine.telling.told import picture_of, read_picture

    if not is_item(given):
        if not Path(given).exists():
            raise BadInput(f"{given} is neither a picture file nor the id of an item")
        return read_picture(Path(given))
    with opened(gallery) as engine:
        return picture_of(engine, int(given))


def opened(gallery: Path) -> SearchEngine:
    """Open the gallery to look an item up; no model is loaded for that."""
    return open_to_read(gallery)
