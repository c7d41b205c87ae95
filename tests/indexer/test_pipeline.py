"""The pipeline: every file ends in the gallery or in the report, in order, and nothing is done twice."""

from __future__ import annotations

import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image

from engine import BadInput, Report, SearchEngine
from engine.pictures import file_uri
from indexer import index
from indexer.ahead import AHEAD, AHEAD_PIXELS, Ahead
from indexer.pipeline import BATCH, BATCH_PIXELS, FINGERPRINT_BYTES, _chunks
from indexer.sources.folder import walk
from indexer.sources.found import PictureBytes


def claimed_png(path: Path, width: int, height: int) -> None:
    """Write a PNG of a few bytes that claims to be huge."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def write_good(folder: Path) -> set[str]:
    """Write one picture of every kind that is read."""
    gray = Image.fromarray(np.full((6, 6), 32768, dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.new("P", (9, 9), n) for n in range(3)]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(folder / "cmyk.jpg")
    gray.save(folder / "sixteen-bit.png")
    Image.new("P", (8, 8), 3).save(folder / "palette.png")
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    Image.new("RGB", (20, 10), "red").save(folder / "rotated.jpg", exif=exif)
    Image.new("RGB", (1, 1), "red").save(folder / "one-pixel.png")
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(folder / "clear.webp")
    Image.new("L", (8, 8), 128).save(folder / "gray.tif")
    return {path.name for path in folder.iterdir()}


def write_bad(folder: Path) -> dict[str, str]:
    """Write one file of every kind that is not read, with what the report must say of it."""
    Image.effect_noise((64, 64), 50).save(folder / "whole.jpg")
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "words.jpg").write_text("this is a text file\n", encoding="utf-8")
    claimed_png(folder / "20000.png", 20_000, 20_000)
    claimed_png(folder / "bomb.png", 60_000, 60_000)
    (folder / "broken.png").symlink_to(folder / "gone.png")
    return {
        "truncated.jpg": "cut off or damaged",
        "empty.png": "the file is empty",
        "words.jpg": "not a picture in a format that is read",
        "20000.png": "pixels",
        "bomb.png": "pixels",
        "broken.png": "a broken link to",
    }


def test_every_bad_file_is_reported_and_every_good_one_is_found(tmp_path: Path, empty: SearchEngine) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    good, bad = write_good(folder), write_bad(folder)

    report = index(empty, [folder])

    assert (report.added, report.updated, report.unchanged) == (len(good), 0, 0)
    assert {Path(uri).name for uri in report.failed} == set(bad)
    for uri, reason in report.failed.items():
        assert bad[Path(uri).name] in reason
    assert {empty.find(file_uri(folder / name)).metadata["width"] for name in good} == {1, 6, 8, 9, 10}


def test_order_and_captions_stay_with_their_pictures_when_some_fail(
    tmp_path: Path, empty: SearchEngine
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    colors = ("red", "lime", "blue", "yellow", "aqua", "white")
    for n in range(3 * BATCH):
        if n % 5 == 0:
            (folder / f"{n:03}.png").write_bytes(b"no picture")
        else:
            size = (9, 9) if n % 7 else (900, 900)  # some take longer than those behind them
            Image.new("RGB", size, colors[n % 6]).save(folder / f"{n:03}.png")
        (folder / f"{n:03}.txt").write_text(f"number {n} {colors[n % 6]}", encoding="utf-8")
    good = [n for n in range(3 * BATCH) if n % 5]

    report = index(empty, [folder])

    assert [Path(uri).name for uri in report.failed] == [f"{n:03}.png" for n in range(0, 3 * BATCH, 5)]
    items = [empty.find(file_uri(folder / f"{n:03}.png")) for n in good]
    assert [item.text for item in items] == [f"number {n} {colors[n % 6]}" for n in good]
    assert [item.id for item in items] == sorted(item.id or 0 for item in items)
    reds = {hit.item.text for hit in empty.search("red", k=len([n for n in good if n % 6 == 0]))}
    assert reds == {f"number {n} red" for n in good if n % 6 == 0}


def test_what_has_not_changed_is_not_read_again(photos: Path, empty: SearchEngine) -> None:
    index(empty, [photos])
    # Bytes that are no picture, under the same size and time: whoever decodes them fails.
    for path in photos.iterdir():
        status = path.stat()
        path.write_bytes(b"x" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    report = index(empty, [photos])

    assert (report.added, report.updated, report.unchanged, report.failed) == (0, 0, 8, {})


def test_changed_touched_and_new_files_are_told_apart(photos: Path, empty: SearchEngine) -> None:
    index(empty, [photos])
    Image.new("RGB", (10, 10), "lime").save(photos / "red.png")
    os.utime(photos / "blue.png", ns=(0, 0))
    Image.new("RGB", (10, 10), "pink").save(photos / "pink.png")

    report = index(empty, [photos])

    assert (report.added, report.updated, report.unchanged, report.failed) == (1, 1, 7, {})
    assert index(empty, [photos]).unchanged == 9  # the touched file's new time is known by now
    assert empty.search("lime", k=1)[0].item.uri == file_uri(photos / "red.png")


def test_a_file_that_has_gone_bad_keeps_what_the_gallery_had(photos: Path, empty: SearchEngine) -> None:
    index(empty, [photos])
    (photos / "red.png").write_bytes(b"")

    report = index(empty, [photos])

    assert report.failed == {file_uri(photos / "red.png"): "the file is empty"}
    assert empty.search("red", k=1)[0].item.uri == file_uri(photos / "red.png")


def test_a_caption_that_has_changed_is_taken_without_a_new_picture(photos: Path, empty: SearchEngine) -> None:
    (photos / "red.txt").write_text("first words", encoding="utf-8")
    index(empty, [photos])
    (photos / "red.txt").write_text("other words", encoding="utf-8")

    report = index(empty, [photos])

    assert (report.updated, report.unchanged) == (1, 7)
    assert empty.find(file_uri(photos / "red.png")).text == "other words"


def test_two_links_to_one_picture_are_one_item(photos: Path, empty: SearchEngine) -> None:
    (photos / "again.png").symlink_to(photos / "red.png")

    report = index(empty, [photos])

    assert (report.added, report.unchanged) == (8, 1)
    assert len(empty) == 8


def test_a_stopped_run_keeps_its_batches_and_the_next_one_goes_on(
    tmp_path: Path, photos: Path, empty: SearchEngine
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(4 * BATCH):
        Image.new("RGB", (5, 5), (n, 0, 0)).save(folder / f"{n:03}.png")
    index(empty, [photos])
    stop = Event()

    first = index(empty, [folder, photos], stop=stop, progress=lambda done, total: stop.set())

    assert (first.added, first.unchanged, len(empty)) == (BATCH, 0, 8 + BATCH)  # it looked no further
    second = index(empty, [folder, photos])
    assert (second.added, second.unchanged, len(empty)) == (3 * BATCH, BATCH + 8, 8 + 4 * BATCH)


def test_the_report_is_true_when_the_run_raises(tmp_path: Path, empty: SearchEngine) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(3 * BATCH):
        Image.new("RGB", (5, 5), (n, 0, 0)).save(folder / f"{n:03}.png")
    report = Report()

    def fail_later(done: int, total: int) -> None:
        if done == 2 * BATCH:
            raise KeyboardInterrupt("from the progress callback")

    with pytest.raises(KeyboardInterrupt, match="from the progress callback"):
        index(empty, [folder], report=report, progress=fail_later)

    assert report.added == len(empty) == 2 * BATCH


def test_progress_counts_every_file_once(photos: Path, empty: SearchEngine) -> None:
    (photos / "bad.png").write_bytes(b"")
    seen: list[tuple[int, int]] = []

    index(empty, [photos], progress=lambda done, total: seen.append((done, total or 0)))

    assert seen[-1] == (9, 9)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_missing_source_is_refused_before_anything_is_indexed(photos: Path, empty: SearchEngine) -> None:
    with pytest.raises(BadInput, match="no such file or folder"):
        index(empty, [photos, photos / "nowhere"])

    assert len(empty) == 0


def test_look_ahead_is_bounded_in_pictures(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "x.png")
    (found,) = walk([tmp_path])

    with ThreadPoolExecutor(2) as pool:
        ahead = Ahead(pool)
        while not ahead.is_full:
            ahead.push(found)
        assert len(ahead) == AHEAD
        assert [ahead.pop().uri for _ in range(AHEAD)] == [found.uri] * AHEAD
        assert not ahead.is_full


@pytest.mark.parametrize(("side", "room"), [(3000, AHEAD_PIXELS // 3000**2), (7000, 1)])
def test_look_ahead_is_bounded_in_pixels(tmp_path: Path, side: int, room: int) -> None:
    Image.new("L", (side, side)).save(tmp_path / "x.png", compress_level=1)
    (found,) = walk([tmp_path])
    count = room + 3

    with ThreadPoolExecutor(count) as pool:  # a thread for each, so that only room is short
        ahead = Ahead(pool)
        for _ in range(count):
            ahead.push(found)
        try:
            futures = list(ahead._waiting)
            while len(wait(futures, timeout=0.5).done) < room:
                pass
            assert len(wait(futures, timeout=0.5).done) <= room + 1  # the first may come last
            assert [ahead.pop().reason for _ in range(count)] == [""] * count  # what is taken makes room
        finally:
            ahead.cancel()


def test_threads_that_wait_for_room_end_when_the_rest_is_given_up(tmp_path: Path) -> None:
    Image.new("L", (7000, 7000)).save(tmp_path / "x.png", compress_level=1)
    (found,) = walk([tmp_path])

    with ThreadPoolExecutor(2) as pool:  # leaving it waits for its threads
        ahead = Ahead(pool)
        for _ in range(3):
            ahead.push(found)
        ahead.cancel()


def test_a_batch_of_large_pictures_is_smaller(tmp_path: Path, empty: SearchEngine) -> None:
    side = 3000  # 9 megapixels
    for n in range(BATCH_PIXELS // side**2 + 1):
        Image.new("RGB", (side, side), (n, 0, 0)).save(tmp_path / f"{n}.png", compress_level=1)
    done: list[int] = []

    index(empty, [tmp_path], progress=lambda count, total: done.append(count))

    assert done == [BATCH_PIXELS // side**2, BATCH_PIXELS // side**2 + 1]


def test_pictures_in_memory_are_asked_about_a_few_at_a_time() -> None:
    large = bytes(FINGERPRINT_BYTES // 2 + 1)
    found = (PictureBytes(f"row:{n}", "x.png", large) for n in range(5))

    assert [len(chunk) for chunk in _chunks(found)] == [2, 2, 1]
