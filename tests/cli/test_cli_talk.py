"""`crosslight talk` and `crosslight recommend`, as a person or a script runs them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from command import COMMAND, CPU, Ran, environment, invoke


@pytest.fixture
def gallery(shared: tuple[Path, Ran], tmp_path: Path) -> Path:
    """A copy of the shared gallery, to talk with."""
    return Path(shutil.copytree(shared[0], tmp_path / "copy.gallery"))


def test_turns_of_a_script(gallery: Path) -> None:
    said = ("--say", "yellow", "--say", "without red")
    told = invoke("talk", "--gallery", gallery, *said, "-k", "3", *CPU, "--json").document
    assert [turn["said"] for turn in told["turns"]] == ["yellow", "without red"]
    assert told["session"]["query"]["written"] == '"yellow" - "red"*0.5'
    assert len(told["turns"][1]["result"]["hits"]) == 3
    again = ("--session", told["session"]["id"], "--say", "undo", "--json")
    told = invoke("talk", "--gallery", gallery, *again, *CPU).document
    assert told["session"]["query"]["written"] == "yellow"
    assert [turn["said"] for turn in told["session"]["turns"]] == ["yellow", "without red", "undo"]


def test_a_talk_in_a_terminal_goes_on_after_a_mistake(gallery: Path) -> None:
    talk = subprocess.run(
        [*COMMAND, "talk", "--gallery", gallery, *CPU],
        input=b"yellow\nmore like the fiftieth\nmore like #50\nthe same without red\n",
        capture_output=True,
        env=environment(),
        timeout=60,
        check=True,
    )
    assert b"so there is no number 50" in talk.stderr
    out = talk.stdout.decode()
    assert "new search: yellow" in out and "yellow.png" in out
    assert "go on: --session " in out


def test_what_is_not_understood_is_said_in_one_line(gallery: Path) -> None:
    ran = invoke("talk", "--gallery", gallery, "--say", "without red", *CPU)
    assert (ran.code, "nothing yet to take 'red' away from" in ran.err) == (1, True)
    ran = invoke("talk", "--gallery", gallery, "--session", "none", "--say", "red", *CPU, "--json")
    assert (ran.code, ran.document["error"]["kind"]) == (1, "SessionNotFound")
    ran = invoke("talk", "--gallery", gallery, "--say", "red", "--llm-url", "nowhere", *CPU)
    assert (ran.code, "'nowhere' is no endpoint" in ran.err) == (1, True)


def test_a_recommendation(gallery: Path, pictures: Path, tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    red, lime = ((pictures / f"{name}.png").as_uri() for name in ("red", "lime"))
    history.write_text(
        f'{{"item": "{red}", "time": "2026-11-02T10:00:00"}}\n\n{{"item": "{lime}", "time": 5}}\n'
    )
    told = invoke("recommend", "--gallery", gallery, "--history", history, "-k", "1", *CPU, "--json").document
    assert told["items"][0]["uri"].endswith("/yellow.png")
    ran = invoke("recommend", "--gallery", gallery, "--like", red, "--hide", lime, *CPU)
    assert ran.code == 0 and "like red.png" in ran.out and "lime.png" not in ran.out


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "line 2 is no event"),
        ('{"event": "liked"}', "line 2 is no event"),
        ('{"item": 1, "time": "yesterday"}', "line 2 is no event"),
        ('{"item": true}', "an item is an id or a uri"),
        ('{"item": 1, "event": "loved"}', "'loved' is no event"),
    ],
)
def test_a_history_with_a_mistake(gallery: Path, tmp_path: Path, line: str, says: str) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text('{"item": 1}\n' + line)
    ran = invoke("recommend", "--gallery", gallery, "--history", history, *CPU)
    assert ran.code == 1 and says in ran.err
