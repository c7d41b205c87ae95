"""What the shell is offered after Tab, as its completion script asks for it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from api.cli.app import app


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("crosslight se", ["search", "serve"]),
        ("crosslight search --sig", ["--signals"]),
        ("crosslight search --kind i", ["image"]),
        ("crosslight search --model mini", ["mini", "mini-de"]),
        ("crosslight models pull open", ["open_clip:"]),
        ("crosslight import c", ["clip-retrieval", "chroma"]),
    ],
)
def test_tab_offers_what_there_is(line: str, offered: list[str]) -> None:
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    environment = {"_CROSSLIGHT_COMPLETE": "complete_bash", **asked}
    assert CliRunner().invoke(app, [], env=environment, prog_name="crosslight").output.split() == offered
