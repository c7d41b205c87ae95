"""docs/cli.md tells of every command and every option, under the command's own heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from command import ROOT

from api.cli.app import app

TEXT = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
SECTIONS = {
    section.split("\n")[0].removeprefix("crosslight "): section
    for section in re.split(r"^## ", TEXT, flags=re.M)
}


def commands(command: Any, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield every command's name with its options."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, {option for parameter in command.params for option in options_of(parameter)}
    else:
        for key, value in inner.items():
            yield from commands(value, f"{name} {key}".strip())


def options_of(parameter: Any) -> list[str]:
    return [option for option in (*parameter.opts, *parameter.secondary_opts) if option.startswith("-")]


@pytest.mark.parametrize(("name", "options"), list(commands(typer.main.get_command(app))))
def test_every_command_and_option_is_documented(name: str, options: set[str]) -> None:
    (section,) = (
        text for heading, text in SECTIONS.items() if re.fullmatch(rf"{name}( [A-Z\[\].]+)?", heading)
    )

    documented = set(re.findall(r"`(--?[a-z][a-z-]*)[` ]", section))
    assert documented == options
