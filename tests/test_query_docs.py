"""docs/query.md: every query shown is read as it says, and every example runs."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from api.http.asking import SearchRequest, to_query
from engine import Part, Query, Region, SearchEngine
from engine.grammar import parse

TEXT = (Path(__file__).parent.parent / "docs" / "query.md").read_text("utf-8")
ROWS = [
    re.findall(r"`([^`]+)`", line.split(" | ")[0]) for line in TEXT.splitlines() if line.startswith("| `")
]
SHOWN = [query for row in ROWS for query in row]


@pytest.mark.parametrize("shown", SHOWN)
def test_every_query_shown_is_understood(shown: str) -> None:
    assert parse(shown) != Query((Part(text=shown),)) or shown == "two dogs in snow"


def test_what_is_called_plain_text_is_plain_text() -> None:
    (line,) = re.findall(r"^2\. All else is plain text.*", TEXT, flags=re.MULTILINE)
    shown = re.findall(r"`([^`]+)`", line)
    assert len(shown) >= 5
    for text in shown:
        assert parse(text) == Query((Part(text=text),))


def test_the_rules_take_five_lines() -> None:
    section = TEXT.split("## What is a sum")[1].split("\n\n")[1]
    assert [line[0] for line in section.splitlines() if line[0] != " "] == list("12345")


def test_the_python_shown_runs(engine: SearchEngine, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    (photos / "photo.jpg").write_bytes((photos / "red.png").read_bytes())
    snippets = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(snippets) == 2
    for snippet in snippets:
        exec(snippet.replace("item=42", "item=1"), {"engine": engine})


def test_both_forms_in_json_are_the_query_in_python() -> None:
    bodies = [
        json.loads(shlex.split(line)[-1]) for line in TEXT.splitlines() if line.startswith("curl localhost")
    ]
    typed, given = (to_query(SearchRequest.model_validate(body)) for body in bodies)
    assert typed == parse('"beach" + like:42 - "people"*0.5')
    assert given == Query(
        (
            Part(text="beach"),
            Part(item=42, region=Region(0.1, 0.2, 0.5, 0.5)),
            Part(text="people", weight=-0.5),
        )
    )


def test_the_command_shown_is_the_query_in_python() -> None:
    (line,) = re.findall(r"^crosslight search .*", TEXT, flags=re.MULTILINE)
    (shown,) = re.findall(r"engine\.search\('(.*)'\)", TEXT)
    assert shlex.split(line)[-1] == shown
