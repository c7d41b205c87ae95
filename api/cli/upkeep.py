"""`crosslight verify`, `snapshot` and `restore`: a gallery's health and its copies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, GalleryOption, JsonOption
from api.cli.output import guarded, plain, show_json, stdout

RepairOption = Annotated[bool, typer.Option("--repair", help="Make anew what can be made from the database.")]
Target = Annotated[
    Path, typer.Argument(metavar="TARGET", help="The directory of the copy.", show_default=False)
]
Source = Annotated[Path, typer.Argument(metavar="SNAPSHOT", help="The copy's directory.", show_default=False)]


@guarded
def verify(
    gallery: GalleryOption = DEFAULT_GALLERY, repair: RepairOption = False, as_json: JsonOption = False
) -> None:
    """Check a gallery against itself: its database, its index, its tokens, and the pictures it keeps."""
    from engine.verify import verify as check

    problems = check(gallery, repair=repair)
    left = [problem for problem in problems if not (repair and problem.mendable)]
    if as_json:
        found = [
            {"where": problem.where, "what": problem.what, "mendable": problem.mendable}
            for problem in problems
        ]
        show_json({"problems": found, "mended": len(problems) - len(left)})
    else:
        for problem in problems:
            end = "mended" if problem not in left else "--repair mends it" if problem.mendable else ""
            line = f"{problem.where}: {problem.what}" + (f" ({end})" if end else "")
            stdout.print(Text(plain(line)), soft_wrap=True)
        stdout.print(
            f"{len(problems)} problems, {len(problems) - len(left)} mended" if problems else "all is well"
        )
    if left:
        raise typer.Exit(1)


@guarded
def snapshot(target: Target, gallery: GalleryOption = DEFAULT_GALLERY, as_json: JsonOption = False) -> None:
    """Copy a gallery as it is at one moment, while others search it and add to it."""
    from engine.snapshot import snapshot as copy

    copy(gallery, target)
    _done(target, as_json)


@guarded
def restore(source: Source, gallery: GalleryOption = DEFAULT_GALLERY, as_json: JsonOption = False) -> None:
    """Make a gallery of a snapshot, where there is none."""
    from engine.snapshot import restore as copy_back

    copy_back(source, gallery)
    _done(gallery, as_json)


def _done(path: Path, as_json: bool) -> None:
    if as_json:
        show_json({"gallery": str(path)})
    else:
        stdout.print(Text(plain(str(path))), soft_wrap=True)
