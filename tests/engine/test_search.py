"""The engine as a reader of the README uses it, and every way to hold it wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from engine import (
    BadInput,
    GalleryMismatch,
    Item,
    ItemNotFound,
    ModelUnavailable,
    Outcome,
    Part,
    Query,
    Report,
    Result,
    SearchEngine,
)
from engine.pictures import file_uri, load_picture
from engine.types import Encoded


def names(result: Result) -> list[str]:
    return [Path(hit.item.uri).stem for hit in result]


def test_words_find_pictures(engine: SearchEngine) -> None:
    for color in ("red", "green", "blue"):
        result = engine.search(color, k=3)
        assert names(result)[0] == color
        assert result[0].score == pytest.approx(1, abs=1e-4)
        assert [hit.rank for hit in result] == [1, 2, 3]
        assert set(result.timings) == {"encode", "filter", "recall", "rerank", "fetch", "total"}


def test_pictures_find_pictures_and_words(engine: SearchEngine, photos: Path) -> None:
    engine.add([Item("note", "text", "blue"), Item("other", "text", "red")])
    by_picture = (Part(picture=photos / "blue.png"),)
    assert names(engine.search(Query(by_picture)))[0] == "blue"
    texts = engine.search(Query(by_picture, kind="text"))
    assert [hit.item.text for hit in texts] == ["blue", "red"]
    assert all(set(hit.signals) == {"caption"} for hit in texts)


def test_parts_are_weighed(engine: SearchEngine) -> None:
    assert names(engine.search(Query((Part(text="red"), Part(text="blue")))))[0] == "purple"
    minus = Query((Part(text="white"), Part(text="blue", weight=-1.5)))
    assert names(engine.search(minus))[0] == "yellow"


def test_like_an_item_leaves_the_item_out(engine: SearchEngine, photos: Path) -> None:
    red = engine.find(file_uri(photos / "red.png"))
    found = engine.search(Query((Part(item=red.id),)), k=10)
    assert names(found)[0] == "orange" and len(found) == 7


def test_explanations_add_up(engine: SearchEngine) -> None:
    for hit in engine.search("red", explain=True):
        assert hit.explanation is not None
        assert sum(hit.explanation.contributions.values()) == pytest.approx(hit.score)
    assert engine.search("red")[0].explanation is None


def test_adding_again_changes_nothing(engine: SearchEngine, photos: Path) -> None:
    before = engine.find(file_uri(photos / "red.png"))
    assert engine.add(sorted(photos.iterdir())) == Report(unchanged=8)
    os.utime(photos / "red.png", (1, 1))  # a new date on the same picture
    assert engine.add([photos / "red.png"]) == Report(unchanged=1)
    assert engine.find(before.uri) == before
    assert engine.fingerprints([before.uri])[before.uri].mtime_ns == 1_000_000_000


def test_a_changed_picture_keeps_its_id(engine: SearchEngine, photos: Path) -> None:
    red = engine.find(file_uri(photos / "red.png"))
    Image.new("RGB", (5, 5), "blue").save(photos / "red.png")
    assert engine.add([photos / "red.png"]) == Report(updated=1)
    assert engine.search("red", k=1)[0].item.id != red.id
    assert {hit.item.id for hit in engine.search("blue", k=2)} >= {red.id}


def test_new_metadata_needs_no_encoding_and_is_kept(engine: SearchEngine, photos: Path) -> None:
    path = photos / "red.png"
    assert engine.add([Item(file_uri(path), text="a red square", metadata={"year": 2020})]) == Report(
        updated=1
    )
    item = engine.search("red", k=1)[0].item
    assert item.text == "a red square"
    assert item.metadata == {"year": 2020, "width": 40, "height": 60, "format": "PNG"}


def test_a_bad_item_is_reported_and_the_rest_goes_on(engine: SearchEngine, photos: Path) -> None:
    red = photos / "red.png"
    red.write_bytes(red.read_bytes()[:-40])  # cut off after it was indexed
    report = engine.add(
        [
            red,
            photos / "none.png",
            Item("http://example.org/x.png"),
            Item("empty", "text", "  "),
            Item("bad\udce9", "text", "a name that is not UTF-8"),
            Item("nan", "text", "x", metadata={"score": float("nan")}),
            Item("", "text", "x"),
            Item("good", "text", "lime"),
        ]
    )
    assert report.added == 1
    assert [reason.split(";")[0][:24] for reason in report.failed.values()] == [
        "cut off or damaged (imag",
        "cannot be read: No such ",
        "a picture item needs its",
        "a text item needs text",
        "'bad\\udce9' is not valid",
        "metadata 'score' is nan",
        "a uri has 1 to 4096 char",
    ]
    assert names(engine.search("red", k=1)) == ["red"]  # the row it had is kept


def test_bytes_are_kept_in_the_gallery(engine: SearchEngine, photos: Path) -> None:
    data = (photos / "green.png").read_bytes()
    engine.add([Item("upload/green", picture=data), Item("same", picture=data)])
    (photos / "green.png").unlink()
    item = engine.find("upload/green")
    assert item.id is not None
    assert engine.open_picture(item.id) == data
    assert load_picture(engine.thumbnail(item.id, 20)).height == 20


def test_the_last_of_two_items_with_one_uri_counts(engine: SearchEngine) -> None:
    assert engine.add([Item("t", "text", "red"), Item("t", "text", "blue")]).added == 1
    assert engine.find("t").text == "blue"


def test_removal(engine: SearchEngine, photos: Path) -> None:
    red = engine.find(file_uri(photos / "red.png"))
    assert engine.remove([red.uri, red.uri]) == 1
    assert "red" not in names(engine.search("red", k=100)) and len(engine) == 7
    with pytest.raises(ItemNotFound, match="no item has the uri"):
        engine.remove([red.uri])
    assert red.id is not None
    for ask in (engine.get, engine.open_picture, engine.thumbnail):
        with pytest.raises(ItemNotFound, match=f"no item has the id {red.id}"):
            ask(red.id)
    with pytest.raises(ItemNotFound, match="no item has the id"):
        engine.search(Query((Part(item=red.id),)))


def test_a_picture_file_that_is_gone(engine: SearchEngine, photos: Path) -> None:
    item = engine.find(file_uri(photos / "red.png"))
    (photos / "red.png").unlink()
    assert item.id is not None
    with pytest.raises(ItemNotFound, match="is gone from .*red.png"):
        engine.open_picture(item.id)
    engine.add([Item("t", "text", "words")])
    with pytest.raises(ItemNotFound, match="has no picture file"):
        engine.open_picture(engine.find("t").id or 0)


@pytest.mark.parametrize(
    ("query", "k", "reason"),
    [
        ("", 10, "the query is empty"),
        (" \n", 10, "the query is empty"),
        ("red", 0, "k is 0; ask for 1 to 10,000"),
        ("red", 10_001, "k is 10001"),
        ("word " * 65, 10, "the query has 65 tokens, color reads 64; make it shorter"),
        ("x" * 10_001, 10, "10,001 characters, the limit is 10,000"),
        (Query(()), 10, "1 to 16 parts, this one has 0"),
        (Query((Part(),)), 10, "each part of a query is one of"),
        (Query((Part(text="a", item=1),)), 10, "each part of a query is one of"),
        (Query((Part(text="red", weight=0),)), 10, "weight 0"),
        (Query((Part(text="red"), Part(text="red", weight=-1))), 10, "asks for .red. and takes it away"),
        (Query((Part(picture=b"no picture"),)), 10, "not a picture"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why(
    engine: SearchEngine, query: str | Query, k: int, reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        engine.search(query, k=k)


def test_k_over_the_size_and_an_empty_gallery(engine: SearchEngine, tmp_path: Path) -> None:
    assert len(engine.search("red", k=10_000)) == 8
    assert len(engine.search(Query((Part(text="red"),), kind="text"))) == 0
    with SearchEngine.open(tmp_path / "empty", model="color") as empty:
        assert len(empty.search("red")) == 0 and len(empty) == 0


def test_opening_the_wrong_thing(gallery: Path, engine: SearchEngine, photos: Path) -> None:
    with pytest.raises(
        ModelUnavailable, match="no model 'clipp'; there are mini, mini-de, open_clip:NAME/TAG"
    ):
        SearchEngine.open(gallery, model="clipp")
    with pytest.raises(GalleryMismatch, match="was made by the model color, not mini"):
        SearchEngine.open(gallery, model="mini")
    with pytest.raises(BadInput, match="there is no gallery at .*make one with: crosslight index"):
        SearchEngine.open(photos, create=False)
    with pytest.raises(BadInput, match="is not a gallery and not empty"):
        SearchEngine.open(photos)


def test_an_empty_gallery_takes_another_model(tmp_path: Path) -> None:
    SearchEngine.open(tmp_path / "g", model="mini").close()  # its model was never loaded
    with SearchEngine.open(tmp_path / "g", model="color") as engine:
        engine.add([Item("t", "text", "red")])
    with pytest.raises(GalleryMismatch, match="was made by the model color"):
        SearchEngine.open(tmp_path / "g", model="mini")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_gallery_of_somebody_else_can_be_read(engine: SearchEngine, gallery: Path) -> None:
    engine.close()
    for path in (gallery, *gallery.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in gallery.parents:
        parent.chmod(parent.stat().st_mode | 0o055)
    script = (
        "import os, sys; from engine import SearchEngine; import engine.search\n"
        "os.setuid(65534)\n"
        "with SearchEngine.open(sys.argv[1], read_only=True) as e: print(len(e.search('red')))"
    )
    run = subprocess.run([sys.executable, "-c", script, str(gallery)], capture_output=True, text=True)
    assert run.stdout == "8\n", run.stderr


def test_other_weights_under_the_same_key_are_refused(engine: SearchEngine, gallery: Path) -> None:
    engine._store.set_stamp("color-0", 32)
    engine.close()
    with SearchEngine.open(gallery) as other, pytest.raises(GalleryMismatch, match="color-0.*color-1"):
        other.search("red")


def test_read_only_reads_only(engine: SearchEngine, gallery: Path, photos: Path) -> None:
    engine.close()
    before = sorted(path.name for path in gallery.rglob("*"))
    with SearchEngine.open(gallery, read_only=True) as reader:
        assert names(reader.search("red"))[0] == "red"
        with pytest.raises(BadInput, match="was opened read-only"):
            reader.add([photos / "red.png"])
    assert [name for name in sorted(path.name for path in gallery.rglob("*")) if "-" not in name] == before


def test_each_item_is_told_of_in_order(engine: SearchEngine, photos: Path) -> None:
    told: list[Outcome] = []
    (photos / "red.png").rename(photos / "crimson.png")
    (photos / "broken.png").write_bytes(b"GIF89a")
    given = [
        Item("t", "text", "new"),
        photos / "crimson.png",
        photos / "broken.png",
        photos / "blue.png",
        Item("t", "text", "newer"),
        Item("t", "text", "newer"),
    ]
    report = engine.add(given, batch_size=5, each=told.append)
    assert [outcome.uri for outcome in told] == [
        item.uri if isinstance(item, Item) else file_uri(item) for item in given
    ]
    statuses = [outcome.status for outcome in told]
    assert statuses == ["added", "moved", "failed", "unchanged", "updated", "unchanged"]
    assert told[2].reason == report.failed[file_uri(photos / "broken.png")]
    assert (report.added, report.moved, report.unchanged, report.updated) == (1, 1, 2, 1)
    assert engine.get(engine.find("t").id or 0).text == "newer"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_a_vector_that_has_no_direction_costs_its_item_alone(
    engine: SearchEngine, photos: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    encoder = engine.load().encoder
    whole = encoder.encode_text

    def damaged(texts: Sequence[str]) -> Encoded:
        vectors = whole(texts).vectors
        vectors[[text == "bad" for text in texts]] = value
        return Encoded(vectors)

    monkeypatch.setattr(encoder, "encode_text", damaged)
    report = engine.add([Item("a", "text", "good"), Item("b", "text", "bad"), Item("c", "text", "fine")])
    assert report.added == 2 and list(report.failed) == ["b"]
    assert report.failed["b"].startswith("the model made a vector of it that is all zeros or not finite")
    monkeypatch.undo()
    assert {hit.item.uri for hit in engine.search(Query((Part(text="good"),), "text"), k=9)} == {"a", "c"}
    assert engine.add([Item("b", "text", "bad")]).added == 1
