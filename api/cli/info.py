"""`crosslight info`: what a gallery holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, GalleryOption, JsonOption
from api.cli.output import amount, guarded, plain, show_json, stdout
from api.cli.reading import open_to_read


@guarded
def info(gallery: GalleryOption = DEFAULT_GALLERY, as_json: JsonOption = False) -> None:
    """Tell what a gallery holds, which model made it, and what it takes on disk."""
    with open_to_read(gallery) as engine:
        facts = engine.info()
    if as_json:
        show_json(facts)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(_words(name, value)))
    stdout.print(table)


def _words(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        if name == "trained":
            return _trained(value)
        describe = _index if name == "index" else amount
        return ", ".join(f"{part} {describe(inner)}" for part, inner in value.items()) or "none"
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else plain(str(value))


def _index(described: Mapping[str, object]) -> str:
    """Say which kind of index a signal has and, once it was chosen by size, why and how well it finds."""
    if "reason" not in described:
        return f"{described['kind']}, {described['items']:,} items"
    recall = ""
    if described["effort"]:
        recall = f", recall@10 {described['recall']:.3f} measured, {described['target']:g} wanted"
    return f"{described['kind']}, {described['items']:,} items{recall} ({described['reason']})"


def _trained(card: Mapping[str, Any]) -> str:
    """Say which set the gallery uses of what it has trained, and what that brought."""
    gain, low, high = card["figures"]["text-to-image"]["gain"]
    brought = f"{gain:+.1f} points ({low:+.1f} to {high:+.1f}) on {card['measured_on']} held-back pictures"
    unused = "" if card["in_use"] else "; not in use, for it was trained with other weights of the model"
    return f"set {card['set']}, {card['stage']} of {card['date']}: {brought}{unused}"
