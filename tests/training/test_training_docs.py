"""docs/training.md: its Python runs, and its commands and options are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from api.cli.app import app
from engine.learned import current

TEXT = (Path(__file__).parents[2] / "docs/training.md").read_text("utf-8")


def test_the_python_example_trains_a_gallery(
    drawn: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn.rename(drawn.with_name("my.gallery"))
    monkeypatch.chdir(drawn.parent)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.startswith("1 better on 15 held-back pictures")
    assert current(Path("my.gallery")) == 1


def test_every_command_shown_is_one() -> None:
    group = typer.main.get_command(app)
    shown = re.findall(r"crosslight (\w+)(?: (reranker|reencoder|heads|drop))?", TEXT)
    assert ("train", "drop") in shown
    for name, inner in shown:
        command = group.commands[name]  # type: ignore[attr-defined]
        assert not inner or inner in command.commands
