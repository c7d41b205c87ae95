"""mini-de: mini's pictures and space, read in German."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import SearchEngine
from engine.encoders.mini import load_mini
from engine.encoders.weights import bundled_mini
from engine.errors import GalleryMismatch

pytestmark = pytest.mark.mini

SAMPLE = Path(__file__).parent.parent.parent / "data" / "sample"
QUERIES = {
    "eine lächelnde Frau vor einer Flagge": "astronaut.png",
    "eine Katze": "cat.png",
    "eine Katze neben einer Tasse": "cat-and-mug.jpg",
    "eine Tasse Kaffee auf einem Tisch": "coffee.png",
    "eine rosa Blume im Garten": "flower.jpg",
    "ein Tempel am Wasser mit Bäumen": "pagoda.jpg",
    "ein Mann mit einer Kamera auf einer Wiese": "photographer.png",
    "ein Mann in Uniform": "naval-officer.jpg",
    "grünes Gras": "grass.png",
    "viele Münzen": "coins.png",
    "eine Uhr an der Wand": "clock-in-motion.png",
    "ein Blatt Papier mit Schrift": "handwriting.png",
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of the sample photographs, made by mini."""
    if not (SAMPLE / ".done").exists():
        pytest.skip("the sample photographs are not here: run `make test`, or python data/sample.py")
    path = tmp_path_factory.mktemp("galleries") / "sample"
    with SearchEngine.open(path) as engine:
        engine.add(sorted(SAMPLE.glob("*.*g")))
    return path


def found(path: Path, model: str) -> float:
    """Say how often the picture meant is among the first three of twenty."""
    with SearchEngine.open(path, model=model) as engine:
        assert engine.model == model
        answers = {query: engine.search(query, k=3) for query in QUERIES}
    hits = [
        QUERIES[query] in [Path(hit.item.uri).name for hit in answer] for query, answer in answers.items()
    ]
    return float(np.mean(hits))


def test_german_finds_what_mini_indexed(sample: Path) -> None:
    german = found(sample, "mini-de")
    assert german >= 0.7
    assert german >= found(sample, "mini") + 0.3


def test_the_example_of_the_docs(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").symlink_to(SAMPLE.parent)
    monkeypatch.chdir(tmp_path)
    page = (SAMPLE.parent.parent / "docs" / "languages.md").read_text("utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    test = doctest.DocTestParser().get_doctest(snippet, {}, "languages", "languages.md", 0)
    output: list[str] = []
    assert doctest.DocTestRunner().run(test, out=output.append).failed == 0, "".join(output)


def test_a_gallery_keeps_the_model_that_made_it(sample: Path) -> None:
    with SearchEngine.open(sample, model="mini-de", read_only=True) as engine:
        engine.load()
    with SearchEngine.open(sample) as engine:
        assert engine.model == "mini"
    with pytest.raises(GalleryMismatch, match="made by the model mini, not color"):
        SearchEngine.open(sample, model="color")


def test_pictures_are_those_of_mini_and_words_are_not() -> None:
    english, german = load_mini()[0], load_mini(words=bundled_mini("mini-de"))[0]
    assert (english.name, german.name) == ("mini", "mini-de")
    assert english.stamp == german.stamp
    picture = [Image.radial_gradient("L").convert("RGB")]
    one, other = english.encode_image(picture), german.encode_image(picture)
    assert np.array_equal(one.vectors, other.vectors)
    said = "Zwei Männer spielen Fußball"
    assert german.count_tokens(said) == 6 < english.count_tokens(said)
    assert [word for word, _, _ in german.word_spans(said)] == said.split()
    same = german.encode_text([said]).vectors @ english.encode_text(["Two men play soccer"]).vectors.T
    assert (
        same.item()
        > 0.7
        > (english.encode_text([said]).vectors @ german.encode_text([said]).vectors.T).item()
    )
