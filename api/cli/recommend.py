"""`crosslight recommend`: what somebody may like next, from what they liked before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, DeviceOption, FilterOption, GalleryOption, JsonOption
from api.cli.output import guarded, name_of, note, show_json, stdout
from api.cli.reading import open_to_read
from engine.errors import BadInput

if TYPE_CHECKING:
    from engine.recommend import Happened, Recommended

ItemsOption = Annotated[
    list[str] | None, typer.Option("--like", metavar="ITEM", help="An item that was liked, by id or uri.")
]
HiddenOption = Annotated[
    list[str] | None, typer.Option("--hide", metavar="ITEM", help="An item that was hidden, by id or uri.")
]
HistoryOption = Annotated[
    Path | None,
    typer.Option("--history", metavar="FILE", help='Events, one a line: {"item", "event", "time"}.'),
]
KOption = Annotated[int, typer.Option("-k", metavar="N", help="How many items.")]
HalfLifeOption = Annotated[
    float, typer.Option("--half-life", metavar="DAYS", help="Days after which an event counts half.")
]
DiversityOption = Annotated[
    float, typer.Option("--diversity", metavar="0..1", help="Prefer items unlike those above them.")
]


@guarded
def recommend(
    like: ItemsOption = None,
    hide: HiddenOption = None,
    history: HistoryOption = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    k: KOption = 10,
    half_life: HalfLifeOption = 30.0,
    diversity: DiversityOption = 0.1,
    filter: FilterOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recommend items from a history, each with its reason."""
    from engine.recommend import Happened, recommend

    events = [] if history is None else list(read_history(history))
    for items, event in ((like, "liked"), (hide, "hidden")):
        events += [Happened(int(one) if one.isdecimal() else one, event) for one in items or []]
    with open_to_read(gallery, device) as engine:
        found = recommend(engine, events, k=k, half_life=half_life, diversity=diversity, filter=filter)
    if as_json:
        from api.documents import recommendation_document

        show_json(recommendation_document(found))
        return
    for line in found.notes:
        note(line)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("rank", "score"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("item", overflow="fold")
    table.add_column("why", overflow="fold")
    for one in found.items:
        table.add_row(str(one.rank), f"{one.score:.3f}", name_of(one.item.uri), Text(why(one)))
    stdout.print(table)


def why(one: Recommended) -> str:
    """Say the reason: "like snow.jpg: dogs, snow"."""
    words = ", ".join(one.reason.words)
    return f"like {name_of(one.reason.like.uri).rpartition('/')[2]}" + (f": {words}" if words else "")


def read_history(path: Path) -> Iterator[Happened]:
    """Read events, one JSON object a line; `BadInput` names the line that is none."""
    from engine.recommend import Happened

    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            told: Any = json.loads(line)
            item, event = told["item"], told.get("event", "liked")
            moment = _seconds(told.get("time"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(
                f"{path}, line {number} is no event ({error}); write "
                '{"item": 42, "event": "liked", "time": "2026-11-02T10:00:00Z"}'
            ) from None
        if not isinstance(item, int | str) or isinstance(item, bool):
            raise BadInput(f"{path}, line {number}: an item is an id or a uri, not {item!r}")
        yield Happened(item, event, moment)


def _seconds(value: Any) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    read = datetime.fromisoformat(value)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
