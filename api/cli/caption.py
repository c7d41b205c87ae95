"""`crosslight caption`: say in a sentence what a picture shows."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption
from api.cli.output import guarded, name_of, plain, show_json, stdout
from api.cli.telling import PictureArgument, TellerOption, is_item, opened, picture_named
from engine.errors import BadInput
from engine.types import Part

CountOption = Annotated[int, typer.Option("-n", "--count", min=1, max=10, help="How many captions.")]
NearestOption = Annotated[
    int,
    typer.Option(
        "--nearest", min=0, max=10, metavar="N", help="Also what people say of the N nearest in the gallery."
    ),
]
WordsOption = Annotated[
    str | None,
    typer.Option("--words", metavar="WORD,...", help="Use only these words, beside small ones (mini only)."),
]


@guarded
def caption(
    picture: PictureArgument,
    count: CountOption = 1,
    words: WordsOption = None,
    nearest: NearestOption = 0,
    gallery: GalleryOption = DEFAULT_GALLERY,
    teller: TellerOption = "mini",
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say in a sentence what a picture shows. A machine writes it: read it as a guess."""
    from engine.telling import open_captioner
    from engine.telling.told import nearest_captions

    shown = picture_named(picture, gallery)
    captioner = open_captioner(teller, device)
    if words is None:
        captions = captioner.caption([shown.image], count=count)[0]
    else:
        from engine.telling.mini import MiniTeller

        if not isinstance(captioner, MiniTeller):
            raise BadInput(f"--words is for mini; {teller} writes with the words it has")
        captions = captioner.caption([shown.image], count=count, words=words.split(","))[0]
    near = []
    if nearest:
        part = Part(item=int(picture)) if is_item(picture) else Part(picture=shown)
        with opened(gallery) as engine:
            near = nearest_captions(engine, part, nearest)
    if as_json:
        from api.documents import captions_document

        show_json(captions_document(captioner.name, captions, near))
        return
    for one in captions:
        stdout.print(Text(plain(one.text)), soft_wrap=True)
    for other in near:
        said = Text.assemble(
            (f"{other.likeness:.2f} ", "dim"), plain(other.text), (f"  {name_of(other.item.uri)}", "dim")
        )
        stdout.print(said, soft_wrap=True)
