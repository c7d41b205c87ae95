"""`crosslight search`: find pictures by words, pictures, items, and sums of these."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from api.cli.options import (
    DEFAULT_GALLERY,
    DeviceOption,
    FilterOption,
    GalleryOption,
    JsonOption,
    KindOption,
    ModelOption,
    RerankOption,
)
from api.cli.output import guarded, name_of, note, plain, show_json, stdout
from api.cli.reading import open_to_read
from engine.errors import BadInput
from engine.types import Budget, Hit, Part, Query, Result

MAX_WORDS_SHOWN = 60

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
    model: ModelOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find pictures by words, pictures, items, and weighted sums of these."""
    asked = make_query(query, image, like, kind)
    with open_to_read(gallery, device, model) as engine:
        result = engine.search(
            asked,
            k=k,
            filter=filter,
            rerank=rerank if budget is None else make_budget(budget, rerank),
            explain=explain,
            group=group,
            diversity=diversity,
            precision=precision,
            signals=None if signals is None else parse_signals(signals),
            page=page,
        )
    if as_json:
        from api.documents import result_document

        show_json(result_document(asked, result))
        return
    for line in result.notes:
        note(line)
    if result.no_match:
        stdout.print(Text("Nothing here matches." + (" The nearest:" if result.misses else "")))
    stdout.print(hits_table(result.hits or result.misses, explain))
    stdout.print(Text(_summary(result), style="dim"))
    if result.next_page:
        stdout.print(Text(f"more: --page {result.next_page}", style="dim"), soft_wrap=True)
    if explain:
        from api.cli.explain import show_explanations

        stdout.print(Text(f"plan: {result.plan.name}, {result.plan.reason}", style="dim"))
        show_explanations(result)


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


def hits_table(hits: Sequence[Hit], explain: bool = False) -> Table:
    """Lay out the hits, best first; with `explain`, also their signals and their ranks in recall."""
    calibrated = any(hit.probability is not None for hit in hits)
    signals = sorted({str(name) for hit in hits for name in hit.signals}) if explain else []
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in (
        "rank",
        "score",
        *(["prob."] if calibrated else []),
        *signals,
        *(["recall"] if explain else []),
    ):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("item", overflow="fold")
    for hit in hits:
        cells = [str(hit.rank), f"{hit.score:.4f}"]
        if calibrated:
            cells.append("" if hit.probability is None else f"{hit.probability:.0%}")
        by_name = {str(name): value for name, value in hit.signals.items()}
        cells += [f"{by_name[name]:.4f}" if name in by_name else "" for name in signals]
        if explain:
            cells.append(f"#{hit.explanation.recall_rank}" if hit.explanation else "")
        table.add_row(*cells, item_text(hit))
        if hit.alike:
            table.add_row(*[""] * len(cells), Text(_behind(hit), style="dim"))
    return table


def _behind(hit: Hit) -> str:
    """Say what was grouped behind a hit."""
    same = sum(one.exact for one in hit.alike)
    kinds = ((same, "the same file"), (len(hit.alike) - same, "alike"))
    return "+ " + ", ".join(f"{count} {name}" for count, name in kinds if count)


def item_text(hit: Hit) -> Text:
    """Name a hit: a picture by its file and its caption, a text by its words."""
    words = plain(" ".join((hit.item.text or "").split()))
    if len(words) > MAX_WORDS_SHOWN:
        words = words[: MAX_WORDS_SHOWN - 1] + "…"
    if hit.item.kind == "text":
        return Text(words)
    return Text.assemble(name_of(hit.item.uri), ("  " + words if words else "", "dim"))


def _summary(result: Result) -> str:
    stages = ", ".join(f"{stage} {milliseconds:.1f}" for stage, milliseconds in result.timings.items())
    order = "reranked" if result.reranked else "in the order of recall"
    if result.plan.name != "unfiltered":
        allowed = result.plan.allowed
        count = f"about {result.plan.estimated:,}" if allowed is None else f"{allowed:,}"
        order += f", filter: {count} of {result.plan.held:,} items ({result.plan.name})"
    return f"{len(result)} {'hit' if len(result) == 1 else 'hits'}, {order} (ms: {stages})"
