"""Several signals, one answer: each finds what only it can, and together they add up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from engine import BadInput, Item, Part, Query, Report, Result, SearchEngine
from engine.pictures import file_uri
from engine.snapshot import snapshot
from engine.types import Encoded
from engine.verify import verify


def names(result: Result) -> list[str]:
    return [Path(hit.item.uri).stem for hit in result]


@pytest.fixture
def captioned(engine: SearchEngine, photos: Path) -> Iterator[SearchEngine]:
    """The eight colors, of which the green and the blue picture have captions that say something else."""
    engine.add(
        [
            Item(file_uri(photos / "green.png"), text="a red fire engine", picture=photos / "green.png"),
            Item(file_uri(photos / "blue.png"), text="Zwei Hunde im Café", picture=photos / "blue.png"),
        ]
    )
    yield engine


def test_each_signal_finds_what_only_it_can(captioned: SearchEngine) -> None:
    by_picture = captioned.search("red", signals={"visual": 1})
    assert names(by_picture)[0] == "red" and set(by_picture[0].signals) == {"visual"}
    by_meaning = captioned.search("red", signals={"caption": 1})
    assert names(by_meaning)[0] == "green" and len(by_meaning) == 2  # the others have no caption
    by_words = captioned.search("hunde", signals={"lexical": 1})
    assert names(by_words) == ["blue"] and set(by_words[0].signals) == {"lexical"}
    assert names(captioned.search("CAFE", signals={"lexical": 1})) == ["blue"]  # whatever case and accents


def test_names_and_tags_are_words_too(captioned: SearchEngine, photos: Path) -> None:
    tagged = Item(file_uri(photos / "white.png"), picture=photos / "white.png", metadata={"place": "Oslo"})
    captioned.add([tagged])
    assert names(captioned.search("oslo", signals={"lexical": 1})) == ["white"]
    assert names(captioned.search("yellow", signals={"lexical": 1})) == ["yellow"]


def test_all_signals_are_asked_and_every_hit_shows_all_it_has(captioned: SearchEngine) -> None:
    result = captioned.search("red fire engine", k=8, explain=True)
    green = next(hit for hit in result if Path(hit.item.uri).stem == "green")
    assert set(green.signals) == {"visual", "caption", "lexical"}
    assert green.signals["lexical"] > 0 and green.rank <= 2
    assert all("visual" in hit.signals for hit in result)
    for hit in result:
        assert hit.explanation is not None
        assert sum(hit.explanation.contributions.values()) == pytest.approx(hit.score)
        assert hit.explanation.recall_rank == hit.rank  # this model has no reranker
        assert hit.explanation.contributions.keys() <= {"visual", "caption", "lexical"}


def test_weights_decide(captioned: SearchEngine, photos: Path) -> None:
    said = {"red": "blue", "blue": "red"}  # what one shows the other says
    captioned.add(
        [Item(file_uri(p), text=said[p.stem], picture=p) for p in photos.iterdir() if p.stem in said]
    )
    by_picture = captioned.search("red", signals={"visual": 1.0, "caption": 0.1})
    assert names(by_picture)[0] == "red" and by_picture[0].probability is None
    assert names(captioned.search("red", signals={"visual": 0.1, "caption": 1.0}))[0] == "blue"
    with pytest.raises(BadInput, match="no signal 'captions'; there is caption"):
        captioned.search("red", signals={"captions": 1})


def test_an_uncaptioned_gallery_answers_by_pictures_alone(engine: SearchEngine) -> None:
    plain = engine.search("red", k=8, explain=True)
    alone = engine.search("red", k=8, explain=True, signals={"visual": 1})
    assert [(h.item.id, h.score, h.signals) for h in plain] == [
        (h.item.id, h.score, h.signals) for h in alone
    ]
    assert all(h.explanation and set(h.explanation.contributions) == {"recall"} for h in plain if h.score)


def test_a_phrase_must_be_there_word_for_word(captioned: SearchEngine) -> None:
    def having(*phrases: str) -> Result:
        return captioned.search(Query((Part(text="red"),), phrases=phrases))

    assert names(having("fire engine")) == ["green"]
    assert names(having("zwei hunde", "cafe")) == ["blue"]
    assert not having("fire engine", "cafe").hits
    missing = having("engine fire")
    assert not missing.hits and "'engine fire'" in missing.notes[0]
    assert missing.plan.name == "empty"


@pytest.mark.parametrize(
    "words", ['NEAR("a" "b")', "text : red", "red AND", '"', "fire*", "-engine", "(" * 9]
)
def test_words_are_data_and_never_syntax(captioned: SearchEngine, words: str) -> None:
    captioned.search(Query((Part(text=f"hunde {words}"),)), signals={"lexical": 1})
    captioned.search(Query((Part(text="red"),), phrases=(f"hunde {words}",)))


def test_kinds_stay_apart_though_both_have_captions(captioned: SearchEngine) -> None:
    captioned.add([Item("note", "text", "a red fire engine")])
    texts = captioned.search(Query((Part(text="red"),), kind="text"), k=10)
    assert [hit.item.uri for hit in texts] == ["note"] and set(texts[0].signals) == {"caption"}
    pictures = captioned.search(Query((Part(text="red fire"),), kind="image"), k=10)
    assert len(pictures) == 8 and {hit.item.kind for hit in pictures} == {"image"}


def test_a_new_caption_reaches_every_signal_and_leaves_the_picture_alone(
    captioned: SearchEngine, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = captioned.load().encoder
    monkeypatch.setattr(encoder, "encode_image", lambda images: pytest.fail("the picture is encoded again"))
    green = file_uri(photos / "green.png")
    again = Item(green, text="black hole", picture=photos / "green.png")
    assert captioned.add([again]) == Report(updated=1)
    assert names(captioned.search("black", signals={"caption": 1}))[0] == "green"
    assert names(captioned.search("hole", signals={"lexical": 1})) == ["green"]
    assert not captioned.search("engine", signals={"lexical": 1}).hits
    assert captioned.add([Item(green, picture=photos / "green.png")]) == Report(updated=1)
    assert names(captioned.search("black", signals={"caption": 1})) == ["blue"]
    assert not captioned.search("hole", signals={"lexical": 1}).hits
    captioned.remove([file_uri(photos / "blue.png")])
    assert not captioned.search("hunde", signals={"lexical": 1}).hits
    assert not captioned.search("black", signals={"caption": 1}).hits


def test_an_item_asks_pictures_by_its_picture_and_captions_by_its_caption(
    captioned: SearchEngine, photos: Path
) -> None:
    captioned.add([Item("other", text="a red fire engine", picture=(photos / "white.png").read_bytes())])
    like = Query((Part(item=file_uri(photos / "green.png")),))
    assert names(captioned.search(like, signals={"caption": 1}))[0] == "other"
    assert captioned.search(like, signals={"caption": 1})[0].score == pytest.approx(1, abs=1e-4)
    assert names(captioned.search(like, signals={"visual": 1}))[0] != "other"


def test_a_caption_without_a_vector_is_named_and_made_at_the_next_indexing(
    captioned: SearchEngine, photos: Path, gallery: Path
) -> None:
    captioned.close()
    with sqlite3.connect(gallery / "gallery.db") as raw:  # as a gallery of an earlier release has it
        raw.execute("DELETE FROM embeddings WHERE signal = 'caption'")
        raw.execute("UPDATE state SET revision = revision + 1")
        raw.execute("UPDATE items SET revision = (SELECT revision FROM state)")
    raw.close()
    lacking = {problem.where for problem in verify(gallery)}
    assert lacking == {file_uri(photos / "green.png"), file_uri(photos / "blue.png")}
    with SearchEngine.open(gallery) as engine:
        assert not engine.search("red", signals={"caption": 1}).hits
        again = Item(file_uri(photos / "green.png"), text="a red fire engine", picture=photos / "green.png")
        assert engine.add([again]) == Report(updated=1)
        assert names(engine.search("red", signals={"caption": 1})) == ["green"]


def test_words_that_went_astray_are_found_and_mended(captioned: SearchEngine, gallery: Path) -> None:
    captioned.close()
    with sqlite3.connect(gallery / "gallery.db") as raw:
        raw.execute("DELETE FROM words WHERE rowid = 1")
    raw.close()
    (problem,) = verify(gallery, repair=True)
    assert problem.mendable and "words" in problem.what
    assert verify(gallery) == []


def test_a_copy_and_a_reopened_gallery_answer_the_same(
    captioned: SearchEngine, gallery: Path, tmp_path: Path
) -> None:
    before = [(hit.item.id, hit.score) for hit in captioned.search("red fire", k=8)]
    captioned.close()
    snapshot(gallery, tmp_path / "copy")
    for path in (gallery, tmp_path / "copy"):
        assert verify(path) == []
        with SearchEngine.open(path) as engine:
            after = [(hit.item.id, hit.score) for hit in engine.search("red fire", k=8)]
            assert [i for i, _ in after] == [i for i, _ in before]
            np.testing.assert_allclose([s for _, s in after], [s for _, s in before], rtol=1e-5)


@pytest.fixture
def sign(tmp_path: Path) -> Path:
    """A gray picture with a word written on it."""
    image = Image.new("RGB", (420, 160), "white")
    ImageDraw.Draw(image).text((30, 50), "OPEN DAILY", fill="black", font=ImageFont.load_default(50))
    image.save(tmp_path / "sign.png")
    return tmp_path / "sign.png"


def test_text_in_a_picture_is_read_found_and_marked(engine: SearchEngine, sign: Path) -> None:
    pytest.importorskip("rapidocr")
    engine.add([sign])
    assert engine.find(file_uri(sign)).ocr is None
    assert engine.add([sign], ocr=True) == Report(updated=1)
    item = engine.find(file_uri(sign))
    assert item.ocr == "OPEN DAILY" and item.text is None  # read by a machine, nobody's words
    assert engine.add([sign]) == Report(unchanged=1) and engine.find(file_uri(sign)).ocr == "OPEN DAILY"
    assert names(engine.search("daily", signals={"ocr": 1})) == ["sign"]
    assert not engine.search("daily", signals={"lexical": 1}).hits
    (found,) = [hit for hit in engine.search("daily", k=9) if hit.item.id == item.id]
    assert found.signals["ocr"] > 0 and found.rank == 1
    assert names(engine.search(Query((Part(text="x"),), phrases=("open daily",)))) == ["sign"]
    Image.new("RGB", (420, 160), "white").save(sign)
    engine.add([sign])  # another picture: what was read no longer holds
    assert engine.find(file_uri(sign)).ocr is None
    assert not engine.search("daily", signals={"ocr": 1}).hits


def test_a_caption_vector_has_no_tokens(captioned: SearchEngine, photos: Path) -> None:
    item = captioned.find(file_uri(photos / "green.png"))
    made: dict[str, Encoded] = {s.value: e for s, e in captioned._store.embeddings(item.id or 0).items()}
    assert set(made) == {"visual", "caption"} and made["caption"].tokens is None
