"""`crosslight import`: vectors that another program has made, taken as they are."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption, ModelOption
from api.cli.output import guarded, note, show_json
from engine.errors import BadInput

SEEN = 1000  # things among which some are looked for that can be encoded again


def _programs(incomplete: str) -> list[str]:
    from indexer.imports import PROGRAMS

    return [name for name in PROGRAMS if name.startswith(incomplete)]


ProgramName = Annotated[
    str,
    typer.Argument(
        metavar="PROGRAM",
        help="clip-retrieval, faiss, rclip, qdrant or chroma.",
        show_default=False,
        autocompletion=_programs,
    ),
]
SourcePath = Annotated[
    Path, typer.Argument(metavar="SOURCE", help="Its folder or its file.", show_default=False)
]
IdsOption = Annotated[
    Path | None,
    typer.Option("--ids", metavar="FILE", help="Of a faiss index: its paths, one a line.", dir_okay=False),
]
CollectionOption = Annotated[
    str | None, typer.Option("--collection", metavar="NAME", help="Of qdrant or chroma: which one.")
]
ImagesOption = Annotated[
    Path | None,
    typer.Option("--images", metavar="DIR", help="Where relative paths start from.", file_okay=False),
]
UncheckedOption = Annotated[
    bool, typer.Option("--unchecked", help="Take vectors though nothing is here to check them with.")
]


@guarded
def import_(
    program: ProgramName,
    source: SourcePath,
    ids: IdsOption = None,
    collection: CollectionOption = None,
    images: ImagesOption = None,
    unchecked: UncheckedOption = False,
    gallery: GalleryOption = DEFAULT_GALLERY,
    model: ModelOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over what another program has indexed, with its vectors, if the gallery's model made them.

    A few pictures are encoded again to see. Vectors come without the tokens that reranking reads.
    """
    from api.cli.index import show_report
    from api.documents import report_document
    from engine import SearchEngine
    from engine.readymade import check_model, take
    from indexer import imports

    told = imports.program(program, source)
    found = told.read(source, imports.Options(ids, collection, images))
    first = list(islice(found, SEEN))
    if not first:
        raise BadInput(f"{source} holds no vectors")
    with SearchEngine.open(gallery, model=model, device=device) as engine:
        tried = check_model(first, engine.load().encoder)
        if not tried and not unchecked and told.model(source) != engine.model:
            raise BadInput(
                f"nothing of {source} is on this machine to check the vectors with; if {engine.model} has "
                "made them, say --unchecked, or say with --images where the pictures are"
            )
        start = perf_counter()
        report = take(engine, chain(first, found))
    if as_json:
        show_json({"gallery": str(gallery), **report_document(report), "checked": tried})
        return
    show_report(report, gallery, perf_counter() - start)
    note(f"{tried} were encoded again and agree" if tried else "taken unchecked")
    note("searches whose best are among these are not reranked: their vectors came without tokens")
