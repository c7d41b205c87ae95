"""Damaged tars: what came before the damage is kept, it is told, and the other sources are read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from making import png, write_pictures, write_tar

from engine import SearchEngine
from indexer import Reading, index, read
from indexer.sources.found import PictureBytes, Unreadable

COUNT = 40


def noise(number: int) -> bytes:
    """A picture that gzip makes no smaller, so that where a tar is damaged says how much comes before."""
    pixels = np.random.default_rng(number).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    return b"P6 24 24 255\n" + pixels.tobytes()


def gzipped(path: Path) -> Path:
    return write_tar(path, {f"{number:02}.png": noise(number) for number in range(COUNT)}, "w:gz")


def cut(data: bytes, at: float) -> bytes:
    return data[: int(len(data) * at)]


def flip(data: bytes, at: float) -> bytes:
    place = int(len(data) * at)
    return data[:place] + bytes(byte ^ 0xFF for byte in data[place : place + 64]) + data[place + 64 :]


def lose_checksum(data: bytes, at: float) -> bytes:
    return data[:-8] + bytes(4) + data[-4:]


@pytest.mark.parametrize(
    ("damage", "at", "least"),
    [(cut, 0.4, 10), (cut, 0.75, 25), (flip, 0.4, 10), (flip, 0.75, 25), (lose_checksum, 1, COUNT)],
)
def test_a_damaged_compressed_tar_keeps_what_came_before_and_the_rest_goes_on(
    tmp_path: Path, empty: SearchEngine, damage: Callable[[bytes, float], bytes], at: float, least: int
) -> None:
    path = gzipped(tmp_path / "set.tar.gz")
    path.write_bytes(damage(path.read_bytes(), at))
    photos = write_pictures(tmp_path / "photos", "blue.png")

    report = index(empty, [path, photos])

    assert least <= report.added - 1 <= COUNT
    assert f"{path} is no whole tar: " in report.failed[path.as_uri()]
    assert empty.find((photos / "blue.png").as_uri()).kind == "image"
    whole = [found.data for found in islice(read(path, Reading()), least) if isinstance(found, PictureBytes)]
    assert whole == [noise(number) for number in range(least)]


def test_a_damaged_header_is_no_end(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_tar(tmp_path / "set.tar", {f"{color}.png": png(color) for color in ("red", "blue", "lime")})
    data = bytearray(path.read_bytes())
    data[2 * 1024 + 10] ^= 0xFF  # a header and a block of data each; this is in the third one's name
    path.write_bytes(data)

    report = index(empty, [path])

    assert report.added == 1  # the second may have lost a caption
    assert report.failed == {path.as_uri(): f"{path} is no whole tar: a header is damaged: bad checksum"}


def test_tars_put_together_are_told_after_the_first(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "set.tar", {"red.png": png("red")})
    path.write_bytes(path.read_bytes() * 2)

    red, end = read(path, Reading())

    assert red.uri == f"tar:{path}#red.png"
    assert isinstance(end, Unreadable)
    assert end.reason.endswith("more follows after its end; of tars put together give each by itself")


def test_a_table_that_breaks_off_in_an_unexpected_way_costs_no_other_source(
    tmp_path: Path, empty: SearchEngine
) -> None:
    table = tmp_path / "set.csv"
    table.write_bytes("caption\nred words\n".encode("utf-16") + b"\x00")  # half a character at its end
    photos = write_pictures(tmp_path / "photos", "blue.png")

    report = index(empty, [table, photos])

    assert empty.find((photos / "blue.png").as_uri()).kind == "image"
    assert "truncated data" in report.failed[table.as_uri()]
