"""Captioned pictures: each kind of source gives the same pictures, and says what is wrong with a bad one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from making import png, write_tar

from engine import BadInput
from engine.pictures import load_picture
from indexer.captioned import captioned_pictures


def captions(*texts: str) -> bytes:
    return json.dumps({"captions": texts}).encode()


def test_a_webdataset_tar_pairs_members_of_one_key(tmp_path: Path) -> None:
    path = write_tar(
        tmp_path / "set.tar",
        {
            "shard/a.1.png": png("red"),  # a key ends at the first dot
            "shard/b.json": captions("a blue square", "blue"),
            "shard/b.png": png("blue"),
            "shard/c.png": png("green"),
            "shard/c.txt": b"green one\ngreen two\n",
            "shard/lonely.json": captions("no picture"),
            "shard/silent.png": png("white"),
        },
    )

    pairs = list(captioned_pictures(path))

    assert [(pair.key, pair.captions) for pair in pairs] == [
        (f"tar:{path}#shard/b.png", ("a blue square", "blue")),
        (f"tar:{path}#shard/c.png", ("green one", "green two")),
    ]
    assert isinstance(pairs[0].picture, bytes)
    assert load_picture(pairs[0].picture).image.getpixel((0, 0)) == (0, 0, 255)


def test_a_jsonl_names_pictures_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").write_bytes(png("red"))
    (tmp_path / "b.png").write_bytes(png("blue"))
    rows = [{"image": "pictures/a.png", "captions": ["red", "a dot"]}, {"image": "b.png", "captions": "one"}]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")

    first, second = captioned_pictures(path)

    assert first.picture == tmp_path / "pictures/a.png"
    assert (first.captions, second.captions) == (("red", "a dot"), ("one",))


def test_a_folder_gives_the_pictures_that_have_a_text_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(png("red"))
    (tmp_path / "b.txt").write_text("red\nall red\n", encoding="utf-8")

    (pair,) = captioned_pictures(tmp_path)

    assert (pair.picture, pair.captions) == (tmp_path / "b.png", ("red", "all red"))


def test_a_tar_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "set.tar", {"a.png": png("red") * 50, "a.json": captions("red")})
    path.write_bytes(path.read_bytes()[:700])

    with pytest.raises(BadInput, match=r"set\.tar is no whole tar"):
        list(captioned_pictures(path))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", "line 2: not JSON"),
        ('["a.png"]', "line 2: expected an object, this is a list"),
        ('{"image": "../a.png", "captions": ["x"]}', "'../a.png' lies outside"),
        ('{"image": "a.png", "captions": 3}', 'line 2: "captions" must be a list of texts'),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"image": "ok.png", "captions": ["x"]}\n' + line + "\n", encoding="utf-8")

    with pytest.raises(BadInput, match=message):
        list(captioned_pictures(path))


def test_bad_json_in_a_tar_is_named_by_its_key(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "set.tar", {"k1.png": png("red"), "k1.json": b"{"})

    with pytest.raises(BadInput, match=r"k1\.json: not JSON"):
        list(captioned_pictures(path))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.mp4"
    path.write_bytes(b"x")

    with pytest.raises(BadInput, match="is no source of captioned pictures; give a folder, a tar or a table"):
        captioned_pictures(path)
    with pytest.raises(BadInput, match="no such file or folder"):
        captioned_pictures(tmp_path / "gone.tar")
