"""A query in a script that the model does not read is answered with a note."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import SearchEngine
from engine.encoders.color import ColorEncoder
from engine.languages import unread
from engine.models import Model, share_space
from engine.types import Part, Query

READER = Model(ColorEncoder(), languages=("English",))


def notes(*texts: str, model: Model = READER) -> tuple[str, ...]:
    return unread(Query(tuple(Part(text=text) for text in texts)), model)


@pytest.mark.parametrize("text", ["кошка", "红色的猫", "قطة حمراء", "קוֹפֵץ", "แมว", "ねこ", "κόκκινο"])
def test_another_script_is_told(text: str) -> None:
    (note,) = notes(text)
    assert note.startswith("color reads English; all words")
    assert "docs/languages.md" in note


def test_the_words_are_counted() -> None:
    (note,) = notes("a red кошка", "and a собака")
    assert "2 of the 6 words" in note


@pytest.mark.parametrize("text", ["a red cat", "Żółty wąż, 3 Łódź", "naïve café ☕ №5", "ﬁne 10µm ｗｉｄｅ"])
def test_latin_letters_digits_and_signs_are_not(text: str) -> None:
    if "µ" in text:
        assert "1 of the 3" in notes(text)[0]  # a Greek letter is one
    else:
        assert notes(text) == ()


def test_a_model_that_does_not_say_what_it_reads_gets_no_note() -> None:
    assert notes("кошка", model=Model(ColorEncoder())) == ()


@pytest.mark.mini
def test_the_note_stands_beside_the_answer(tmp_path: Path, photos: Path) -> None:
    with SearchEngine.open(tmp_path / "mini.gallery") as opened:
        opened.add(sorted(photos.iterdir()))
        assert [note for note in opened.search("красный").notes if "mini reads English" in note]
        assert not [note for note in opened.search("red").notes if "reads" in note]


def test_spaces() -> None:
    assert share_space("mini", "mini-de") and share_space("mini-de", "mini")
    assert not share_space("mini", "color")
    assert not share_space("open_clip:ViT-B-32/a", "open_clip:ViT-B-32/b")
    assert share_space("gone", "gone") and not share_space("gone", "mini")
