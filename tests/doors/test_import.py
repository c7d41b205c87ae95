"""`crosslight import`: what other programs have indexed, read from their own formats by their own clients."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner, Result

from api.cli.app import app
from engine import Item, SearchEngine
from engine.encoders.color import ColorEncoder
from engine.pictures import file_uri, load_picture
from engine.readymade import Ready, check_model, take
from engine.types import Floats

COLORS = ("red", "green", "blue")


@pytest.fixture
def vectors(photos: Path) -> Floats:
    """What the gallery's model makes of three pictures, as another program keeps it: not of unit length."""
    images = [load_picture(photos / f"{color}.png").image for color in COLORS]
    return np.asarray(3 * ColorEncoder().encode_image(images).vectors, dtype=np.float32)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, arguments), "--model", "color", "--device", "cpu"])


def said(done: Result) -> str:
    """What a command said, without the line breaks of a terminal."""
    return " ".join(done.output.split())


def first(gallery: Path, words: str) -> Item:
    with SearchEngine.open(gallery) as engine:
        return engine.search(words, k=1)[0].item


def clip_retrieval(folder: Path, photos: Path, vectors: Floats) -> Path:
    """A folder as `clip-retrieval inference` writes it, in two parts."""
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for part, rows in enumerate((slice(0, 2), slice(2, 3))):
        names = [str(photos / f"{color}.png") for color in COLORS[rows]]
        table = {
            "image_path": names,
            "caption": [f"a {color} card" for color in COLORS[rows]],
            "exif": [None] * len(names),
        }
        np.save(folder / "img_emb" / f"img_emb_{part}.npy", vectors[rows].astype(np.float16))
        pyarrow.parquet.write_table(pyarrow.table(table), folder / "metadata" / f"metadata_{part}.parquet")
    return folder


def rclip(path: Path, photos: Path, vectors: Floats) -> Path:
    """A file as the third version of rclip writes it; one picture is marked as deleted."""
    database = sqlite3.connect(path)
    database.executescript(
        "CREATE TABLE images (id INTEGER PRIMARY KEY, deleted BOOLEAN, filepath TEXT NOT NULL UNIQUE, "
        "modified_at DATETIME NOT NULL, size INTEGER NOT NULL, vector BLOB NOT NULL, indexing BOOLEAN);"
        "CREATE TABLE db_version (version INTEGER); INSERT INTO db_version VALUES (3);"
    )
    for n, color in enumerate(COLORS):
        row = (color == "green" or None, str(photos / f"{color}.png"), vectors[n].tobytes())
        database.execute(
            "INSERT INTO images (deleted, filepath, modified_at, size, vector) VALUES (?,?,0,0,?)", row
        )
    database.commit()
    database.close()
    return path


def qdrant(folder: Path, photos: Path, vectors: Floats) -> Path:
    client_module = pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    client = client_module.QdrantClient(path=str(folder))
    size = client_module.models.VectorParams(size=32, distance=client_module.models.Distance.COSINE)
    client.create_collection("pictures", vectors_config=size)
    points = [
        client_module.models.PointStruct(
            id=n, vector=v.tolist(), payload={"path": f"{c}.png", "year": 2020 + n}
        )
        for n, (c, v) in enumerate(zip(COLORS, vectors, strict=True))
    ]
    client.upsert("pictures", points)
    client.close()
    return folder


def chroma(folder: Path, photos: Path, vectors: Floats) -> Path:
    chromadb = pytest.importorskip("chromadb", reason="chromadb is not installed")
    client = chromadb.PersistentClient(str(folder), chromadb.Settings(anonymized_telemetry=False))
    collection = client.create_collection("pictures", embedding_function=None)
    uris = [str(photos / f"{color}.png") for color in COLORS]
    collection.add(ids=list(COLORS), embeddings=vectors.tolist(), metadatas=[{"path": uri} for uri in uris])
    return folder


@pytest.mark.parametrize("write", [clip_retrieval, rclip, qdrant, chroma])
def test_a_program_is_taken_over(
    write: Callable[[Path, Path, Floats], Path], photos: Path, vectors: Floats, tmp_path: Path, gallery: Path
) -> None:
    source = write(tmp_path / "source", photos, vectors)
    name = write.__name__.replace("_", "-")
    done = run(name, source, "--gallery", gallery, "--images", photos)
    assert done.exit_code == 0, done.output
    assert "2 added" in done.output if write is rclip else "3 added" in done.output
    found = first(gallery, "blue")
    assert found.uri == file_uri(photos / "blue.png")
    assert found.metadata["width"] == 60
    again = run(name, source, "--gallery", gallery, "--images", photos)
    assert "0 added, 0 updated" in again.output


def test_captions_and_metadata_come_along(
    photos: Path, vectors: Floats, tmp_path: Path, gallery: Path
) -> None:
    run("clip-retrieval", clip_retrieval(tmp_path / "source", photos, vectors), "--gallery", gallery)
    assert first(gallery, "blue").text == "a blue card"


@pytest.mark.parametrize("kind", ["flat", "ivf", "ids"])
def test_a_bare_index_is_read_with_its_ids(
    kind: str, photos: Path, vectors: Floats, tmp_path: Path, gallery: Path
) -> None:
    index = faiss.IndexFlatIP(32)
    if kind == "ivf":
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(32), 32, 1, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
    if kind == "ids":
        index = faiss.IndexIDMap(index)
        index.add_with_ids(vectors, np.array([7, 8, 9]))
    else:
        index.add(vectors)
    faiss.write_index(index, str(tmp_path / "bare.index"))
    (tmp_path / "ids.txt").write_text("\n".join(f"{color}.png" for color in COLORS))
    done = run(
        "faiss", tmp_path / "bare.index", "--ids", tmp_path / "ids.txt", "--images", photos, "-g", gallery
    )
    assert done.exit_code == 0, done.output
    assert first(gallery, "green").uri == file_uri(photos / "green.png")


def test_vectors_of_another_model_are_refused(
    photos: Path, vectors: Floats, tmp_path: Path, gallery: Path
) -> None:
    turned = clip_retrieval(tmp_path / "turned", photos, np.roll(vectors, 1, axis=1))
    assert "has made it; index the pictures themselves" in " ".join(
        run("clip-retrieval", turned, "-g", gallery).output.split()
    )
    short = clip_retrieval(tmp_path / "short", photos, vectors[:, :16])
    assert "has 16 numbers, those of color have 32" in " ".join(
        run("clip-retrieval", short, "-g", gallery).output.split()
    )


def test_vectors_that_cannot_be_checked_have_to_be_asked_for(
    photos: Path, vectors: Floats, tmp_path: Path, gallery: Path
) -> None:
    gone = clip_retrieval(tmp_path / "gone", tmp_path / "nowhere", vectors)
    assert "say --unchecked" in said(run("clip-retrieval", gone, "-g", gallery))
    assert run("clip-retrieval", gone, "-g", gallery, "--unchecked").exit_code == 0
    found = first(gallery, "red")
    assert found.uri == str(tmp_path / "nowhere" / "red.png")
    with SearchEngine.open(gallery) as engine, pytest.raises(LookupError, match="has no picture file"):
        engine.thumbnail(found.id or 0)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("lucene", "."), "there is clip-retrieval, faiss"),
        (("faiss", "nowhere.index"), "nothing at nowhere.index"),
        (("faiss", __file__), "with --ids"),
        (("faiss", __file__, "--ids", __file__), "no FAISS index"),
        (("rclip", __file__), "not a file of rclip"),
        (("clip-retrieval", "."), "has no img_emb"),
    ],
)
def test_what_cannot_be_read_is_said(arguments: tuple[str, ...], reason: str, gallery: Path) -> None:
    done = run(*arguments, "--gallery", gallery)
    assert done.exit_code == 1
    assert reason in said(done)


@pytest.mark.parametrize("bad", [np.zeros(32), np.full(32, np.nan), np.ones(31)])
def test_a_bad_vector_fails_alone(bad: Floats, engine: SearchEngine, vectors: Floats) -> None:
    report = take(engine, [Ready(Item("far:1"), bad.astype(np.float32)), Ready(Item("far:2"), vectors[0])])
    assert (report.added, list(report.failed)) == (1, ["far:1"])
    assert {hit.item.uri for hit in engine.search("red", k=2)} >= {"far:2"}


@pytest.mark.mini
def test_items_without_tokens_are_found_beside_those_with(tmp_path: Path, photographs: list[Path]) -> None:
    with SearchEngine.open(tmp_path / "m.gallery", model="mini", device="cpu") as engine:
        engine.add(photographs[:2])
        encoder = engine.load().encoder
        made = encoder.encode_image([load_picture(photographs[2]).image]).vectors[0]
        ready = Ready(Item(file_uri(photographs[2]), picture=photographs[2]), made)
        assert check_model([ready], encoder) == 1
        assert engine.search("stone arches").reranked
        assert take(engine, [ready]).added == 1
        found = engine.search("stone arches", k=3)
        assert (len(found), found.reranked, found[0].item.uri) == (3, False, ready.item.uri)
    with SearchEngine.open(tmp_path / "m.gallery", device="cpu") as engine:
        again = engine.search("stone arches", k=3)
        assert [hit.item.uri for hit in again] == [hit.item.uri for hit in found]
        assert not again.reranked
        assert engine.search("stone arches", filter="id <= 2").reranked
