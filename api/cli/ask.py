"""`crosslight ask`: answer a question on a picture."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption
from api.cli.output import guarded, plain, show_json, stdout
from api.cli.telling import PictureArgument, TellerOption, picture_named

QuestionArgument = Annotated[
    str,
    typer.Argument(metavar="QUESTION", help='Such as "how many dogs are there?"', show_default=False),
]


@guarded
def ask(
    picture: PictureArgument,
    question: QuestionArgument,
    gallery: GalleryOption = DEFAULT_GALLERY,
    teller: TellerOption = "mini",
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question on a picture, with how likely the answer is right."""
    from engine.telling import open_answerer

    shown = picture_named(picture, gallery)
    answerer = open_answerer(teller, device)
    answer = answerer.ask(shown.image, question)
    if as_json:
        from api.documents import answer_document

        show_json(answer_document(answerer.name, answer))
        return
    told = Text.assemble((plain(answer.text), "bold"), f"  {answer.probability:.0%}")
    stdout.print(told if answer.sure else Text.assemble("not sure; perhaps ", told))
    if answer.alternatives:
        others = ", ".join(f"{plain(text)} {share:.0%}" for text, share in answer.alternatives)
        stdout.print(Text(f"else: {others}", style="dim"), soft_wrap=True)
