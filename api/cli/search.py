"""`crosslight search`: find pictures by words, pictures, items, and sums of these."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from api.cli.hits import check_out, draw_heat_maps, show, show_pictures, write_out
from api.cli.options import (
    DEFAULT_GALLERY,
    DeviceOption,
    FilterOption,
    GalleryOption,
    JsonOption,
    KindOption,
    ModelOption,
    RerankerOption,
    RerankOption,
)
from api.cli.output import guarded, plain, show_json
from api.cli.reading import open_to_read
from engine.errors import BadInput
from engine.types import Budget, Part, Query, Result

QueryArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="QUERY",
        help='What to look for: words, or a sum such as \'"beach" + photo.jpg - "people"*0.5\'.',
        show_default=False,
    ),
]
ImageOption = Annotated[Path | None, typer.Option("--image", metavar="FILE", help="A picture to look for.")]
LikeOption = Annotated[
    str | None, typer.Option("--like", metavar="ITEM", help="An item of the gallery, by id or uri.")
]
KOption = Annotated[int, typer.Option("-k", metavar="N", help="How many hits.")]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Say why each hit is where it is.")]
GroupOption = Annotated[bool, typer.Option("--group", help="Put near-duplicates behind one hit.")]
DiversityOption = Annotated[
    float, typer.Option("--diversity", metavar="0..1", help="Prefer hits unlike those above them.")
]
PageOption = Annotated[
    str | None, typer.Option("--page", metavar="CURSOR", help="The hits after those of another search.")
]
PrecisionOption = Annotated[
    float | None,
    typer.Option("--precision", metavar="0..1", help="Only hits that are right with this probability."),
]
SignalsOption = Annotated[
    str | None,
    typer.Option(
        "--signals", metavar="NAME=WEIGHT,...", help="The signals to ask, such as lexical=1,visual=0.5."
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option("--budget", metavar="50ms|30", help="What reranking may cost: time, candidates, or both."),
]
HeatMapsOption = Annotated[
    Path | None,
    typer.Option(
        "--heat-maps", metavar="DIR", help="Draw where the words looked, a PNG a hit.", file_okay=False
    ),
]
PicturesOption = Annotated[bool, typer.Option("--pictures", help="Show the pictures in the terminal too.")]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write the hits to FILE: .json, .jsonl or .csv.", dir_okay=False
    ),
]


def parse_signals(text: str) -> dict[str, float]:
    """Read NAME=WEIGHT pairs; `BadInput` names the one that is none."""
    signals: dict[str, float] = {}
    for pair in text.split(","):
        name, _, weight = pair.partition("=")
        try:
            signals[name.strip()] = float(weight or 1)
        except ValueError:
            raise BadInput(f"--signals has {pair!r}; write NAME=WEIGHT, such as lexical=0.5") from None
    return signals


@guarded
def search(
    query: QueryArgument = None,
    image: ImageOption = None,
    like: LikeOption = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    k: KOption = 10,
    kind: KindOption = None,
    filter: FilterOption = None,
    rerank: RerankOption = True,
    explain: ExplainOption = False,
    group: GroupOption = False,
    diversity: DiversityOption = 0.0,
    precision: PrecisionOption = None,
    signals: SignalsOption = None,
    budget: BudgetOption = None,
    page: PageOption = None,
    heat_maps: HeatMapsOption = None,
    pictures: PicturesOption = False,
    out: OutOption = None,
    model: ModelOption = None,
    reranker: RerankerOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find pictures by words, pictures, items, and weighted sums of these."""
    check_out(out)
    asked = make_query(query, image, like, kind)
    with open_to_read(gallery, device, model, reranker) as engine:
        result = engine.search(
            asked,
            k=k,
            filter=filter,
            rerank=rerank if budget is None else make_budget(budget, rerank),
            explain=explain or heat_maps is not None,
            group=group,
            diversity=diversity,
            precision=precision,
            signals=None if signals is None else parse_signals(signals),
            page=page,
        )
        if heat_maps is not None:
            draw_heat_maps(engine, result, heat_maps)
        if pictures:
            show_pictures(engine, result)
    if out is not None:
        write_out(out, document(asked, result))
    if as_json:
        show_json(document(asked, result))
    elif out is None:
        show(result, explain)


def document(asked: Query, result: Result) -> dict[str, Any]:
    """Describe the result as HTTP does."""
    from api.documents import result_document

    return result_document(asked, result)


def make_query(
    typed: str | None, image: Path | None, like: str | None, kind: Literal["image", "text"] | None
) -> Query:
    """Make a query of what was given on the command line."""
    from engine.grammar import parse

    if typed is None and image is None and like is None:
        raise typer.BadParameter("give a QUERY, an --image, a --like, or several", param_hint="QUERY")
    asked = parse(typed) if typed is not None else Query(())
    for part in asked.parts:
        if part.text is not None and any("\ud800" <= character <= "\udfff" for character in part.text):
            raise BadInput(f"the query {plain(part.text)} is not valid UTF-8; check the terminal's encoding")
    parts = list(asked.parts)
    if image is not None:
        parts.append(Part(picture=image))
    if like is not None:
        parts.append(Part(item=int(like) if like.isdecimal() else like))
    return replace(asked, parts=tuple(parts), kind=kind)


def make_budget(given: str, rerank: bool) -> Budget:
    """Read a budget such as 50ms, 30 or 50ms,30."""
    read = re.fullmatch(r"(?:(\d+(?:\.\d+)?)ms)?,?(\d+)?", given.replace(" ", ""))
    if read is None or not any(read.groups()):
        raise BadInput(f"{given!r} is no budget; write 50ms, or 30 for so many candidates, or 50ms,30")
    if not rerank:
        raise BadInput("there is no reranking to put a budget on; leave out --no-rerank, or --budget")
    milliseconds, candidates = read.groups()
    return Budget(float(milliseconds) if milliseconds else None, int(candidates) if candidates else None)
