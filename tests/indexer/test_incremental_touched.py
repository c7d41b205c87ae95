"""Files with a new time: their bytes say whether they have changed, and what has not is not decoded."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from making import png, write_tar
from PIL import Image

from engine import Report, SearchEngine
from engine.pictures import file_uri
from indexer import index


def pretend(engine: SearchEngine, contents: Mapping[str, bytes]) -> None:
    """Write down bytes that are no picture as what items were made of: whoever decodes them fails."""
    with sqlite3.connect(engine.path / "gallery.db") as raw:
        for uri, data in contents.items():
            made_of = (len(data), sha256(data).hexdigest(), uri)
            assert raw.execute("UPDATE items SET size = ?, digest = ? WHERE uri = ?", made_of).rowcount == 1
    raw.close()


def test_a_touched_file_is_not_decoded(photos: Path, empty: SearchEngine) -> None:
    index(empty, [photos])
    contents = {path: f"no picture, {path.name}".encode() for path in photos.iterdir()}
    pretend(empty, {file_uri(path): data for path, data in contents.items()})
    for path, data in contents.items():
        path.write_bytes(data)
        os.utime(path, ns=(0, 7))
    revision = empty.store.revision()

    assert index(empty, [photos]) == Report(unchanged=8)

    assert {stored.mtime_ns for stored in empty.fingerprints(list(map(file_uri, contents))).values()} == {7}
    assert empty.store.revision() == revision  # nothing derived is made again
    for path, data in contents.items():  # by now size and time are enough
        path.write_bytes(data[::-1])
        os.utime(path, ns=(0, 7))
    assert index(empty, [photos]) == Report(unchanged=8)


def test_a_tar_written_again_is_decoded_where_its_members_have_changed(
    tmp_path: Path, empty: SearchEngine
) -> None:
    path = write_tar(tmp_path / "s.tar", {"a.png": png("red"), "b.png": png("blue")})
    index(empty, [path])
    pretend(empty, {f"tar:{path}#a.png": b"no picture"})
    write_tar(path, {"0.txt": b"words before them", "a.png": b"no picture", "b.png": png("green", 9)})
    os.utime(path, ns=(0, 7))

    assert index(empty, [path]) == Report(added=1, updated=1, unchanged=1)

    item = empty.find(f"tar:{path}#a.png")
    assert empty.open_picture(item.id or 0) == b"no picture"  # from where it is now


def test_other_bytes_of_the_same_size_are_told_by_a_new_time(tmp_path: Path, empty: SearchEngine) -> None:
    path = tmp_path / "a.bmp"
    Image.new("RGB", (8, 8), "red").save(path)
    index(empty, [path])
    size = path.stat().st_size
    Image.new("RGB", (8, 8), "blue").save(path)
    os.utime(path, ns=(0, 7))

    assert (path.stat().st_size, index(empty, [path])) == (size, Report(updated=1))
    assert empty.search("blue", k=1)[0].score > 0.9


def test_a_second_name_of_a_file_that_is_damaged_does_not_hide_it(photos: Path, empty: SearchEngine) -> None:
    index(empty, [photos])
    (photos / "red.png").write_bytes(b"x" * (photos / "red.png").stat().st_size)
    os.utime(photos / "red.png", ns=(0, 7))

    for _ in range(2):
        report = index(empty, [photos, photos / "red.png"])
        assert list(report.failed) == [file_uri(photos / "red.png")]
