"""The store keeps what it was told, all or nothing, and knows files that are not its own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from engine import GalleryMismatch, ItemNotFound, StorageFailed
from engine.store import Store
from engine.store.models import Base
from engine.store.rows import Record
from engine.types import Encoded, Scalar, Signal


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "gallery.db")
    opened.create("color")
    yield opened
    opened.close()


def encoded(seed: int, tokens: bool = True) -> Encoded:
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(1, 8)).astype(np.float32)
    if not tokens:
        return Encoded(vectors)
    return Encoded(
        vectors,
        generator.integers(-127, 128, size=(1, 6, 4)).astype(np.int8),
        np.array([seed % 6 + 1], dtype=np.int16),
    )


def record(uri: str, seed: int = 0, **metadata: Scalar) -> Record:
    embeddings = {Signal.VISUAL: encoded(seed)}
    where = f"file:///{uri}"
    return Record(uri, "image", None, where, "d" * 64, 10, 20, metadata, embeddings=embeddings)


def vectors_after(store: Store, revision: int) -> dict[int, Encoded]:
    with store.changes(revision) as changes:
        return {
            item_id: rows.row(place)
            for ids, _, rows in changes.embeddings
            for place, item_id in enumerate(ids.tolist())
        }


def test_an_embedding_comes_back_bit_for_bit(store: Store) -> None:
    store.put([record("a", 1), record("b", 2)])
    item_id = store.find("b")
    assert item_id is not None
    for found in (vectors_after(store, 0)[item_id], store.embeddings(item_id)[Signal.VISUAL]):
        expected = encoded(2)
        np.testing.assert_array_equal(found.vectors, expected.vectors)
        assert found.tokens is not None and expected.tokens is not None
        np.testing.assert_array_equal(found.tokens, expected.tokens)
        assert found.lengths is not None and found.lengths.tolist() == [3]


def test_changes_name_what_came_after_a_revision(store: Store) -> None:
    store.put([record("a"), record("b")])
    seen = store.revision()
    assert vectors_after(store, seen) == {}
    store.put([record("b", 5), record("c")])
    store.remove(["a"])
    with store.changes(seen) as changes:
        assert changes.removed.tolist() == [1]
        assert [ids.tolist() for ids, _, _ in changes.embeddings] == [[2, 3]]
        assert changes.revision == store.revision() == 3


def test_changes_are_one_snapshot(store: Store) -> None:
    store.put([record("a")])
    with store.changes(0) as changes:
        store.put([record("b")])  # commits while the snapshot is open
        assert [ids.tolist() for ids, _, _ in changes.embeddings] == [[1]]
        assert changes.revision == 1


def test_what_came_last_is_read_without_a_look_at_the_rest(store: Store) -> None:
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    event.listen(store._engine, "checkout", lambda lent, *_: lent.set_progress_handler(count, 100))

    def steps_for_the_last() -> int:
        nonlocal taken
        taken = 0
        assert len(vectors_after(store, store.revision() - 1)) == 10
        return taken

    store.put([record(f"a{n}") for n in range(10)])
    few = steps_for_the_last()
    store.put([record(f"b{n}") for n in range(2000)])
    store.put([record(f"c{n}") for n in range(10)])
    assert steps_for_the_last() <= few + 3  # each is a hundred of the database's own steps


def test_an_update_keeps_the_id_and_without_embeddings_the_vectors(store: Store) -> None:
    store.put([record("a", 1)])
    store.put([replace(record("a", 9, place="Oslo"), embeddings={}, text="new words")])
    item, picture = store.items([1])[1]
    assert (item.text, item.metadata, picture) == ("new words", {"place": "Oslo"}, "file:///a")
    np.testing.assert_array_equal(vectors_after(store, 0)[1].vectors, encoded(1).vectors)


def test_an_id_is_never_used_twice(store: Store) -> None:
    store.put([record("a")])
    store.remove(["a"])
    store.put([record("a")])
    assert store.find("a") == 2


def test_a_batch_is_all_or_nothing(store: Store) -> None:
    broken = replace(record("b"), metadata={"x": object()})  # type: ignore[dict-item]
    with pytest.raises(Exception, match="not JSON serializable"):
        store.put([record("a"), broken])
    assert store.counts() == {} and store.revision() == 0


def test_removing_an_unknown_uri_removes_nothing(store: Store) -> None:
    store.put([record("a")])
    with pytest.raises(ItemNotFound, match="no item has the uri nowhere"):
        store.remove(["a", "nowhere"])
    assert store.counts() == {"image": 1}


def test_more_uris_than_sqlite_takes_in_one_statement(store: Store) -> None:
    uris = [f"item {n}" for n in range(2500)]
    store.put([record(uri) for uri in uris])
    assert len(store.known(uris)) == 2500
    assert len(store.items(range(1, 2501))) == 2500
    assert store.remove(uris) == 2500


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    uri=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50),
    text=st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    metadata=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False),
        max_size=4,
    ),
)
def test_any_words_come_back(store: Store, uri: str, text: str | None, metadata: dict[str, Scalar]) -> None:
    store.put([replace(record(uri), text=text, metadata=metadata)])
    known = store.known([uri])[uri]
    assert (known.uri, known.text, known.metadata) == (uri, text, metadata)


def not_full_text(name: str | None, kind: str, _parents: object) -> bool:
    """Tell Alembic which tables the models describe: not those of SQLite's full text."""
    return not (kind == "table" and (name or "").startswith(("words", "readings", "things")))


def test_the_migrations_make_the_models(store: Store) -> None:
    with store._engine.connect() as connection:
        known = MigrationContext.configure(connection, opts={"include_name": not_full_text})
        assert compare_metadata(known, Base.metadata) == []


def test_a_file_from_the_future_is_refused(store: Store) -> None:
    store.close()
    with sqlite3.connect(store.path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(GalleryMismatch, match="written by a newer Crosslight .schema 9999"):
        Store(store.path)


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    path.write_bytes(b"my diary, not a database" * 100)
    with pytest.raises(GalleryMismatch, match="is not a gallery's database"):
        Store(path)
    assert path.read_bytes().startswith(b"my diary")


def test_a_full_disk_is_said_and_nothing_is_lost(store: Store) -> None:
    store.put([record("a")])
    with store._engine.connect() as connection:  # SQLite's own limit acts as a disk that is full
        connection.exec_driver_sql("PRAGMA max_page_count=1")
        connection.commit()
    with pytest.raises(StorageFailed, match="full.*free some space.*intact"):
        store.put([record(f"b{n}", n) for n in range(500)])
    assert store.counts() == {"image": 1} and store.revision() == 1


def test_a_current_gallery_is_opened_without_loading_what_migrates(tmp_path: Path) -> None:
    Store(tmp_path / "gallery.db").close()
    script = (
        "import sys; from pathlib import Path; from engine.store import Store\n"
        f"Store(Path({str(tmp_path / 'gallery.db')!r})).close()\n"
        "assert 'sqlalchemy' in sys.modules and 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])
