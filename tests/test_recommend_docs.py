"""The examples of docs/recommend.md and docs/dialogue.md run and print what they say they print."""

from __future__ import annotations

import doctest
import json
import re
import shlex
from pathlib import Path

import pytest

from api.http.recommend import RecommendRequest
from engine.recommend import Event

TOP = Path(__file__).parent.parent
SAMPLE = TOP / "data" / "sample"


@pytest.mark.mini
@pytest.mark.parametrize(("name", "least"), [("recommend", 9), ("dialogue", 12)])
def test_the_examples_print_what_they_say(
    name: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (SAMPLE / ".done").exists():
        pytest.skip("the sample photographs are not here: run `make test`, or python data/sample.py")
    (tmp_path / "data").symlink_to(TOP / "data")
    monkeypatch.chdir(tmp_path)
    text = (TOP / "docs" / f"{name}.md").read_text("utf-8")
    examples = "".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(examples, {}, name, f"docs/{name}.md", 0)
    assert len(test.examples) >= least
    output: list[str] = []
    results = doctest.DocTestRunner().run(test, out=output.append)
    assert results.failed == 0, "".join(output)


def test_the_history_shown_over_http_is_one() -> None:
    text = (TOP / "docs" / "recommend.md").read_text("utf-8")
    (line,) = re.findall(r"^curl .*", text, flags=re.MULTILINE)
    wanted = RecommendRequest.model_validate_json(json.dumps(json.loads(shlex.split(line)[-1])))
    assert [one.happened().event for one in wanted.history] == [Event.LIKED, Event.HIDDEN]
