"""The examples of docs/models.md and docs/sources.md run, on tiny models, and print what they say."""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from engine import Region

TOP = Path(__file__).parents[2]
PLACES = {
    "blip_itm": "blip-matching",
    "git": "git",
    "vilt_vqa": "vilt-answers",
    "lxmert": "lxmert",
    "checkpoint": "detector",
}


def run(name: str, given: dict[str, object], examples: int) -> None:
    text = (TOP / "docs" / name).read_text("utf-8")
    snippets = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(snippets), given, name, name, 0)
    output: list[str] = []
    results = doctest.DocTestRunner().run(test, out=output.append)
    assert results.failed == 0 and results.attempted > examples, "".join(output)


def test_models(
    tmp_path: Path, photos: Path, saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given: dict[str, object] = {name: saved(made) for name, made in PLACES.items()}
    run("models.md", {**given, "photos": sorted(photos.iterdir())[:3]}, 12)


def test_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    monkeypatch.chdir(tmp_path)
    images = tmp_path / "val2017"
    images.mkdir()
    rows = []
    for n, color in enumerate(("red", "blue"), 1):
        Image.new("RGB", (80, 40), color).save(images / f"{color}.png")
        rows.append({"id": n, "file_name": f"{color}.png", "width": 80, "height": 40})
    captions = [{"image_id": 1, "caption": "a red wall"}, {"image_id": 2, "caption": "a blue sky"}]
    objects = [
        {"image_id": 1, "category_id": 18, "bbox": [8, 10, 8, 4]},
        {"image_id": 1, "category_id": 1, "bbox": [40, 0, 40, 40]},
    ]
    names = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}]
    Path("captions.json").write_text(json.dumps({"images": rows, "annotations": captions}), "utf-8")
    Path("instances.json").write_text(
        json.dumps({"images": rows, "annotations": objects, "categories": names}), "utf-8"
    )
    run("sources.md", {"images": images, "Region": Region}, 4)
