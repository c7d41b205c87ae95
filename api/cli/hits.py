"""How hits are shown in a terminal, and written to files for scripts."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from api.cli.output import name_of, note, plain, stdout
from engine.errors import BadInput
from engine.types import Hit, Result

if TYPE_CHECKING:
    from engine import SearchEngine

MAX_WORDS_SHOWN = 60
FORMATS = (".json", ".jsonl", ".csv")
PICTURE_COLUMNS, PICTURE_LINES = 48, 16  # of the terminal; a line has two pixels, one above the other
COLUMNS = ("rank", "id", "uri", "kind", "score", "probability", "text")


def show(result: Result, explain: bool) -> None:
    """Print the hits, or the nearest misses, and how they came about."""
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


def check_out(out: Path | None) -> None:
    """Refuse a file of a kind that is not written, before anything is searched."""
    if out is not None and out.suffix not in FORMATS:
        raise BadInput(f"--out {out} names no format; end it in {', '.join(FORMATS)}")


def write_out(out: Path, document: dict[str, Any]) -> None:
    """Write a result's document: whole as .json, its hits as .jsonl (one a line) or .csv."""
    with out.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        if out.suffix == ".json":
            file.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        elif out.suffix == ".jsonl":
            file.writelines(json.dumps(hit, ensure_ascii=False) + "\n" for hit in document["hits"])
        else:
            rows = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")
            rows.writeheader()
            rows.writerows(document["hits"])


def show_pictures(engine: SearchEngine, result: Result) -> None:
    """Print the pictures of the hits (else the misses), where the terminal has colors."""
    if find_spec("rich_pixels") is None:
        raise BadInput("showing pictures needs another package: pip install 'crosslight[previews]'")
    if not stdout.is_terminal or stdout.color_system is None:
        note("no pictures: this is no terminal with colors")
        return
    from PIL import Image
    from rich_pixels import Pixels

    for hit in result.hits or result.misses:
        if hit.item.kind == "image" and hit.item.id is not None:
            with Image.open(BytesIO(engine.thumbnail(hit.item.id, 320))) as picture:
                picture.thumbnail((min(PICTURE_COLUMNS, stdout.width), 2 * PICTURE_LINES))
                stdout.print(Text.assemble((f"{hit.rank}  ", "bold"), item_text(hit)))
                stdout.print(Pixels.from_image(picture.convert("RGB")))


def draw_heat_maps(engine: SearchEngine, result: Result, folder: Path) -> None:
    """Draw a PNG for each hit (else each miss) that shows where the query's words looked."""
    from engine.heat_maps import overlay
    from engine.pictures import load_picture

    folder.mkdir(parents=True, exist_ok=True)
    drawn = 0
    for hit in result.hits or result.misses:
        if hit.explanation is None or not hit.explanation.words or hit.item.id is None:
            continue
        picture = load_picture(engine.open_picture(hit.item.id)).image
        overlay(picture, hit.explanation).save(folder / f"{hit.rank:03d}-{hit.item.id}.png")
        drawn += 1
    if drawn:
        note(f"{drawn} heat maps in {folder}")
    else:
        note(f"no heat maps: {engine.model} does not tell where the words of this query looked")
