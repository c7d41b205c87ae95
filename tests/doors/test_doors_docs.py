"""docs/doors.md: the examples run, against a real server where they call one."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import chromium, page_of
from PIL import Image
from serving import fill, running

from api.http import Settings, create_app

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
TEXT = (Path(__file__).parents[2] / "docs" / "doors.md").read_text("utf-8")
SECTIONS = {part.split("\n")[0]: part for part in TEXT.split("\n## ")[1:]}
NEEDS = {
    "OpenAI: embeddings": "openai",
    "Cohere: rerank": "cohere",
    "clip-retrieval": "clip_retrieval",
    "Python, without the engine": "httpx",
    "LangChain": "langchain_core",
    "LlamaIndex": "llama_index",
    "Haystack": "haystack",
    "sentence-transformers": "PIL",
}
BRINGS_MORE = {"clip-retrieval": "flask"}  # without which its package cannot be imported
WIDTH = """async (source) => {
  const picture = new Image();
  picture.src = source;
  await picture.decode();
  return picture.naturalWidth;
}"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder with a photo and a gallery, and a server of it."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 48), "red").save("photo.jpg")
    fill(tmp_path / "photos.gallery", tmp_path / "pictures")
    with running(create_app(Settings(tmp_path / "photos.gallery"))) as url:
        yield url.rstrip("/")


@pytest.mark.parametrize("section", NEEDS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Cohere's client does not close
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_python_shown_runs(section: str, here: str) -> None:
    for package in (NEEDS[section], BRINGS_MORE.get(section, "PIL")):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    for snippet in re.findall(r"```python\n(.*?)```", SECTIONS[section], flags=re.DOTALL):
        exec(snippet.replace("http://localhost:8000", here).replace('"mini"', '"color"'), {})


def test_every_python_example_is_tried() -> None:
    assert {name for name, text in SECTIONS.items() if "```python" in text} == set(NEEDS)


def test_the_javascript_shown_works_in_a_page(here: str) -> None:
    (snippet,) = re.findall(r"```javascript\n(.*?)```", SECTIONS["JavaScript, in a page"], flags=re.DOTALL)
    with chromium() as browser, page_of(browser, here, quiet=False) as page:
        page.goto("/")
        hits = page.evaluate(f"(async () => {{ {snippet} return await search('red', {{ k: 2 }}); }})()")
        assert [hit["rank"] for hit in hits] == [1, 2]
        assert page.evaluate(WIDTH, hits[0]["thumbnail"]) == 200
        failing = f"(async () => {{ {snippet} return await search(' ').catch((error) => error.message); }})()"
        assert "the query is empty" in page.evaluate(failing)
