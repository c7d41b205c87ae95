"""How much there is to do: known of every kind of source while it is read, without reading it twice."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pytest
from making import write_json, write_pictures, write_tar
from pyarrow import parquet

from engine import SearchEngine
from indexer import Reading, index
from indexer.sources import Source, read_all
from indexer.sources.extent import Extent
from indexer.sources.found import Found

COUNT = 3000
NUMBERS = range(COUNT)


def tar(path: Path) -> Source:
    return write_tar(path / "set.tar", {f"{n:04}.txt": b"words" for n in NUMBERS})


def compressed_tar(path: Path) -> Source:
    chance = random.Random(0)
    return write_tar(path / "set.tar.gz", {f"{n:04}.txt": chance.randbytes(500) for n in NUMBERS}, "w:gz")


def shards(path: Path) -> Source:
    for shard in range(3):
        members = {f"{n:04}.txt": b"words" for n in range(COUNT // 3)}
        write_tar(path / f"{shard}.tar", members)
    return f"{path}/{{0..2}}.tar"


def csv(path: Path) -> Source:
    lines = ["uri,caption", *(f"doc:{n // 2},the number {n:04}" for n in range(2 * COUNT))]  # two of each
    (path / "set.csv").write_text("\n".join(lines), encoding="utf-8")
    return path / "set.csv"


def jsonl(path: Path) -> Source:
    rows = (json.dumps({"text": f"the number {n:04}"}) for n in NUMBERS)
    (path / "set.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return path / "set.jsonl"


def parquets(path: Path) -> Source:
    for n in range(2):
        table = pa.table({"caption": [f"the number {n}" for n in range(COUNT // 2)]})
        parquet.write_table(table, path / f"{n}.parquet")
    return f"{path}/*.parquet"


def coco(path: Path) -> Source:
    images = [{"id": n, "file_name": f"{n}.png"} for n in NUMBERS]
    return f"coco:{write_json(path / 'captions.json', {'images': images, 'annotations': []})}"


def karpathy(path: Path) -> Source:
    images = [{"imgid": n, "filename": f"{n}.png", "sentences": []} for n in NUMBERS]
    return f"karpathy:{write_json(path / 'dataset.json', {'images': images})}"


def flickr(path: Path) -> Source:
    (path / "set.token").write_text("\n".join(f"{n}.jpg#0\twords" for n in NUMBERS), encoding="utf-8")
    return f"flickr:{path / 'set.token'}"


def vqa(path: Path) -> Source:
    questions = [{"question_id": n, "image_id": n, "question": "what?"} for n in NUMBERS]
    document = {"data_subtype": "val2014", "questions": questions}
    return f"vqa:{write_json(path / 'questions.json', document)}"


@pytest.mark.parametrize(
    "write", [tar, compressed_tar, shards, csv, jsonl, parquets, coco, karpathy, flickr, vqa]
)
def test_what_is_left_is_known_from_what_has_been_read(
    tmp_path: Path, write: Callable[[Path], Source]
) -> None:
    found, extent = read_all([write(tmp_path)], Reading())
    assert extent.total is None

    assert sum(1 for _ in islice(found, COUNT // 3)) == COUNT // 3
    assert extent.total == pytest.approx(COUNT, rel=0.1)  # text and archives are read by the buffer
    assert COUNT // 3 + sum(1 for _ in found) == COUNT
    assert extent.total == COUNT


def test_of_several_sources_what_is_like_one_that_has_been_read_is_known(tmp_path: Path) -> None:
    for name, count in (("a", 50), ("b", 500)):
        write_tar(tmp_path / f"{name}.tar", {f"{n:03}.txt": b"words" for n in range(count)})
    (tmp_path / "c.csv").write_text("caption\nwords\n", encoding="utf-8")
    photos = write_pictures(tmp_path / "photos", "red.png", "blue.png")

    def halfway(*sources: Source) -> tuple[Iterator[Found], Extent]:
        found, extent = read_all(sources, Reading())
        assert sum(1 for _ in islice(found, 25)) == 25
        return found, extent

    _, extent = halfway(tmp_path / "a.tar", tmp_path / "b.tar", photos)
    assert extent.total == pytest.approx(552, rel=0.1)  # a tar is filled up at its end
    found, extent = halfway(tmp_path / "a.tar", tmp_path / "c.csv", photos)
    assert extent.total is None  # nobody has looked at a table yet
    assert sum(1 for _ in found) == 25 + 1 + 2
    assert extent.total == 53


def test_a_glob_of_pictures_is_counted(tmp_path: Path) -> None:
    write_pictures(tmp_path, "a/red.png", "a/blue.png", "b/red.png")

    assert read_all([f"{tmp_path}/**/*.png"], Reading())[1].total == 3


def test_the_progress_of_a_run_ends_where_it_was_said_to(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_tar(tmp_path / "set.tar", {f"{n:03}.txt": b"words %d" % n for n in range(100)})
    seen: list[tuple[int, int | None]] = []

    index(empty, [path], progress=lambda *told: seen.append(told))

    assert seen[0] == (32, 100)
    assert seen[-1] == (100, 100)
