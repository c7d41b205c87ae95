"""A gallery of the first release is brought up to date when it is opened."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import engine.store
from engine import GalleryMismatch, Item, Report, SearchEngine
from engine.encoders.color import ColorEncoder

TEXT, METADATA = "red snow", {"year": 2020, "ok": True, "place": "Oslo"}


@pytest.fixture
def first_release(gallery: Path) -> Path:
    """A gallery as the first release left it, with one text."""
    gallery.mkdir()
    config = Config()
    config.set_main_option("script_location", str(Path(engine.store.__file__).parent / "migrations"))
    with create_engine(f"sqlite:///{gallery / 'gallery.db'}").connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
        connection.engine.dispose()
    encoder = ColorEncoder()
    vector = encoder.encode_text([TEXT]).vectors.astype("<f4").tobytes()
    with sqlite3.connect(gallery / "gallery.db") as raw:
        raw.execute("INSERT INTO state VALUES (1, 'a-gallery', 'color', ?, 1)", (encoder.stamp,))
        raw.execute(
            "INSERT INTO items VALUES (7, 'a', 'text', ?, NULL, ?, NULL, NULL, ?, 1)",
            (TEXT, "0" * 64, json.dumps(METADATA)),
        )
        raw.execute("INSERT INTO embeddings VALUES (7, 'caption', ?, NULL, NULL, NULL)", (vector,))
    raw.close()
    return gallery


def test_an_old_gallery_is_brought_up_to_date(first_release: Path) -> None:
    with SearchEngine.open(first_release) as opened:
        everything = 'year = 2020 and ok = true and place = "Oslo" and text matches "snow"'
        (hit,) = opened.search(TEXT, filter=everything)
        assert (hit.item.id, round(hit.score, 4)) == (7, 1.0)
        assert opened.info()["model"] == "color" and opened.info()["stamp"] == "color-1"
        assert opened.add([Item("a", "text", TEXT, metadata={"year": 2021})]) == Report(updated=1)
        assert len(opened.search("red", filter="year = 2021 and not has place")) == 1
    with sqlite3.connect(first_release / "gallery.db") as raw:
        assert raw.execute("SELECT key, stamp, dim FROM models").fetchall() == [("color", "color-1", 32)]
        assert not raw.execute("PRAGMA foreign_key_check").fetchall()
        assert np.frombuffer(raw.execute("SELECT vector FROM embeddings").fetchone()[0], "<f4").any()
    raw.close()


def test_read_only_says_that_it_has_to_be_written_once(first_release: Path) -> None:
    with pytest.raises(GalleryMismatch, match="has schema 0001.*open it once for writing"):
        SearchEngine.open(first_release, read_only=True)
