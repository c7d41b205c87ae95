"""The examples of docs/telling.md run and print what they say they print."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent


@pytest.mark.mini
def test_the_examples_print_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (TOP / "data" / "sample" / ".done").exists():
        pytest.skip("the sample photographs are not here: run `make test`, or python data/sample.py")
    (tmp_path / "data").symlink_to(TOP / "data")
    monkeypatch.chdir(tmp_path)
    text = (TOP / "docs" / "telling.md").read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    test = doctest.DocTestParser().get_doctest("".join(examples), {}, "telling", "docs/telling.md", 0)
    assert len(test.examples) >= 6
    output: list[str] = []
    results = doctest.DocTestRunner().run(test, out=output.append)
    assert results.failed == 0, "".join(output)
