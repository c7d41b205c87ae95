"""The README's Python runs and prints what it says it prints; its other snippets name real things."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from engine import SearchEngine
from engine.encoders.mini import load_mini
from engine.encoders.weights import bundled_mini
from engine.filters import parse

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text("utf-8")


@pytest.mark.mini
def test_the_python_snippet_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (TOP / "data" / "sample" / ".done").exists():
        pytest.skip("the sample photographs are not here: run `make test`, or python data/sample.py")
    (tmp_path / "data").symlink_to(TOP / "data")
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    test = doctest.DocTestParser().get_doctest(snippet, {}, "README", "README.md", 0)
    assert len(test.examples) >= 3
    output: list[str] = []
    results = doctest.DocTestRunner().run(test, out=output.append)
    assert results.failed == 0, "".join(output)


def test_the_signals_shown_find_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = {color: tmp_path / f"{color}.png" for color in ("red", "blue")}
    for color, path in pictures.items():
        Image.new("RGB", (40, 30), color).save(path)
    (snippet,) = re.findall(r"```python\n(.*?)```", (TOP / "docs/signals.md").read_text("utf-8"), re.DOTALL)
    test = doctest.DocTestParser().get_doctest(snippet, dict(pictures), "signals", "docs/signals.md", 0)
    output: list[str] = []
    results = doctest.DocTestRunner().run(test, out=output.append)
    assert results.failed == 0 and results.attempted > 5, "".join(output)


def test_the_figures_are_those_of_the_card() -> None:
    card = (bundled_mini() / "README.md").read_text("utf-8")
    rows = [
        re.findall(r"^\| .+ val \| .+ \| (?:recall|reranked) \|.*$", text, re.M) for text in (README, card)
    ]
    assert len(rows[0]) == 8 and rows[0] == [row.replace("-to-", " to ") for row in rows[1]]


@pytest.mark.mini
def test_the_card_is_of_the_weights_that_ship() -> None:
    card = (bundled_mini() / "README.md").read_text("utf-8")
    assert re.findall(r"^Weights (\w+), seed \d+\.$", card, re.M) == [load_mini()[1].stamp]


def test_every_command_shown_exists() -> None:
    commands = set(re.findall(r"^crosslight (\w+)", README, flags=re.MULTILINE))
    assert {"index", "search", "serve"} <= commands
    for command in commands:
        run = subprocess.run(
            [sys.executable, "-m", "api.cli", command, "--help"], capture_output=True, cwd=TOP
        )
        assert run.returncode == 0, command
    targets = set(re.findall(r"`?make (\w+)", README))
    makefile = (TOP / "Makefile").read_text("utf-8")
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_every_link_leads_somewhere() -> None:
    for page in [TOP / "README.md", *(TOP / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_filters_shown_are_understood() -> None:
    shown = re.findall(
        r"filter='([^']+)'|--filter '([^']+)'", (TOP / "docs" / "filters.md").read_text("utf-8")
    )
    assert len(shown) >= 2
    for pair in shown:
        parse(next(filter(None, pair)))


def test_the_methods_named_are_there() -> None:
    assert all(callable(getattr(SearchEngine, name)) for name in ("open", "add", "remove", "search", "get"))
