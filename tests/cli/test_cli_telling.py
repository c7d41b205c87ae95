"""`crosslight caption`, `crosslight ask`, and `crosslight index --captions`."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import CPU, invoke

pytestmark = pytest.mark.mini


def test_pictures_are_told_of_and_found_by_it(photos: Path, gallery: Path) -> None:
    for path in sorted(photos.iterdir())[2:]:
        path.unlink()
    into = ("--gallery", gallery, *CPU)
    assert invoke("index", photos, *into, "--model", "color", "--captions", "--json").document["added"] == 2
    first = invoke("search", "black", *into, "-k", "1", "--json").document["hits"][0]
    assert "text" not in first and first["generated"].endswith(".")
    told = invoke("caption", str(first["id"]), *into, "--json").document
    assert told["captions"][0]["text"] == first["generated"] and told["nearest"] == []
    words = [word for word in first["generated"].strip(".").casefold().split() if len(word) > 3]
    hits = invoke("search", words[-1], *into, "--signals", "lexical=1", "--json").document["hits"]
    assert first["id"] in [hit["id"] for hit in hits]
    answer = invoke("ask", photos / "black.png", "is there a dog?", *CPU, "--json").document
    assert answer["kind"] == "yes/no" and answer["text"] in ("yes", "no")
    plain = invoke("ask", photos / "black.png", "is there a dog?", *CPU)
    assert answer["text"] in plain.out and "%" in plain.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", "nowhere.png", "is it red?"), "neither a picture file nor the id"),
        (("caption", "nowhere.png"), "neither a picture file nor the id"),
        (("ask", "photos/red.png", "hello"), "is not a question"),
        (("caption", "photos/red.png", "--teller", "other"), "no model 'other' that tells"),
    ],
)
def test_what_cannot_be_told_is_said(
    photos: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(photos.parent)
    done = invoke(*arguments)
    assert done.code == 1 and said in done.err.replace("\n", " ")
