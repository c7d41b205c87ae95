"""The examples of docs/answers.md run and print what they say they print."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
SAMPLE = TOP / "data" / "sample"


@pytest.mark.mini
def test_the_examples_print_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SAMPLE / ".done").exists():
        pytest.skip("the sample photographs are not here: run `make test`, or python data/sample.py")
    (tmp_path / "data").symlink_to(TOP / "data")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(
        r"```python\n(.*?)```", (TOP / "docs" / "answers.md").read_text("utf-8"), flags=re.DOTALL
    )
    test = doctest.DocTestParser().get_doctest("".join(examples), {}, "answers", "docs/answers.md", 0)
    assert len(test.examples) >= 20
    output: list[str] = []
    results = doctest.DocTestRunner().run(test, out=output.append)
    assert results.failed == 0, "".join(output)
