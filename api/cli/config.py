"""`crosslight config`: each setting of the service, and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from api.cli.options import JsonOption
from api.cli.output import guarded, plain, show_json, stdout


@guarded
def config(as_json: JsonOption = False) -> None:
    """Show each setting of `crosslight serve` as it would be without flags, and where it comes from."""
    from api.settings import gather

    _, origins = gather({})
    if as_json:
        show_json(
            {
                one.name: {"value": _value(one.value), "source": one.source, "meaning": one.meaning}
                for one in origins
            }
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("setting", "value", "from", "meaning"):
        table.add_column(title, overflow="fold")
    for one in origins:
        value = _value(one.value)
        shown = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        table.add_row(one.name, Text(plain(shown)), one.source, one.meaning)
    stdout.print(table)


def _value(value: Any) -> Any:
    from pydantic import SecretStr

    if isinstance(value, Path | SecretStr):  # a secret shows as stars
        return str(value)
    return [_value(part) for part in value] if isinstance(value, tuple) else value
