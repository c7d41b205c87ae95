"""One contract for every index kind: it answers as the full matrix product does."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import BadInput
from engine.index import FLAT_KINDS, Index, make_index
from engine.index.flat import MAX_TOMBSTONES, FlatIndex
from engine.types import Floats, Ids

DIM = 24


@pytest.fixture(params=sorted(FLAT_KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def random(count: int, seed: int = 0) -> Floats:
    """Vectors of many lengths, so that an index that forgets to normalize is found out."""
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(count, DIM)) * generator.uniform(0.1, 9, size=(count, 1))
    return vectors.astype(np.float32)


def numbers(count: int, first: int = 1) -> Ids:
    return np.arange(first, first + count, dtype=np.int64) * 7 + 2**40  # ids are not positions


def cosines(queries: Floats, vectors: Floats) -> Floats:
    similarities: Floats = (queries @ vectors.T) / (
        np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
    )
    return similarities


def check(index: Index, ids: Ids, vectors: Floats, k: int = 10) -> None:
    queries = random(5, seed=99)
    scores, found = index.search(queries, k)
    expected = cosines(queries, vectors)
    best = -np.sort(-expected, axis=1)[:, :k]
    here = min(k, len(ids))
    np.testing.assert_allclose(scores[:, :here], best[:, :here], atol=1e-5)
    assert (found[:, here:] == -1).all() and np.isneginf(scores[:, here:]).all()
    column = {item_id: place for place, item_id in enumerate(ids.tolist())}
    for row, (row_ids, row_scores) in enumerate(zip(found[:, :here], scores[:, :here], strict=True)):
        assert len(set(row_ids.tolist())) == here
        own = expected[row, [column[item_id] for item_id in row_ids.tolist()]]
        np.testing.assert_allclose(own, row_scores, atol=1e-5)  # allows ties, not wrong ids


def test_agrees_with_the_matrix_product(kind: str) -> None:
    index, ids, vectors = make_index(kind, DIM), numbers(300), random(300)
    index.add(ids[:100], vectors[:100])
    index.add(ids[100:], vectors[100:])
    assert len(index) == 300
    check(index, ids, vectors)


def test_an_index_from_a_file_takes_more(kind: str, tmp_path: Path) -> None:
    first, ids, vectors = make_index(kind, DIM), numbers(300), random(300)
    first.add(ids[:200], vectors[:200])
    first.remove(ids[:50])
    index = make_index(kind, DIM)
    index.load(tmp_path / "saved", first.save(tmp_path / "saved"))
    index.add(ids[200:], vectors[200:])
    check(index, ids[50:], vectors[50:])


def test_k_over_the_size_and_an_empty_index(kind: str) -> None:
    index = make_index(kind, DIM)
    check(index, numbers(0), random(0).reshape(0, DIM), k=3)
    index.add(numbers(4), random(4))
    check(index, numbers(4), random(4), k=9)


def test_removed_ids_never_come_back(kind: str, tmp_path: Path) -> None:
    count = 2 * MAX_TOMBSTONES + 500
    index, ids, vectors = make_index(kind, DIM), numbers(count), random(count)
    index.add(ids, vectors)
    for start in range(0, 2 * MAX_TOMBSTONES, 400):  # passes the rebuild twice
        index.remove(ids[start : start + 400])
        check(index, ids[start + 400 :], vectors[start + 400 :])
    index.remove(numbers(3, first=10**6))  # ids it never had
    assert len(index) == 500
    again = make_index(kind, DIM)
    again.load(tmp_path / "saved", index.save(tmp_path / "saved"))
    check(again, ids[2000:], vectors[2000:])


def test_an_id_added_again_is_replaced(kind: str) -> None:
    index, ids = make_index(kind, DIM), numbers(20)
    index.add(ids, random(20))
    index.add(ids[:5], random(5, seed=1))
    assert len(index) == 20
    check(index, ids, np.concatenate([random(5, seed=1), random(20)[5:]]))


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        (np.zeros((1, DIM)), "all zeros"),
        (np.full((1, DIM), np.nan), "not finite"),
        (np.full((1, DIM), np.inf), "not finite"),
        (np.ones((1, DIM + 1)), r"shape \(1, 25\), the index holds \(n, 24\)"),
    ],
)
def test_a_bad_vector_changes_nothing(kind: str, vectors: Floats, reason: str) -> None:
    index = make_index(kind, DIM)
    index.add(numbers(3), random(3))
    with pytest.raises(BadInput, match=reason):
        index.add(numbers(1), vectors)
    with pytest.raises(BadInput, match=reason):
        index.search(vectors, 1)
    check(index, numbers(3), random(3), k=3)


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match="no index kind .ivff.; there are auto, exact, flat, hnsw"):
        make_index("ivff", DIM)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "remove"]), st.sets(st.integers(0, 12), min_size=1)), max_size=9
    )
)
def test_any_history_gives_what_exact_gives(history: list[tuple[str, set[int]]]) -> None:
    exact, flat = make_index("exact", DIM), make_index("flat", DIM)
    for step, (action, some) in enumerate(history):
        ids = np.array(sorted(some), dtype=np.int64)
        for index in (exact, flat):
            if action == "add":
                index.add(ids, random(len(ids), seed=step))
            else:
                index.remove(ids)
    assert len(exact) == len(flat)
    queries = random(2, seed=77)
    for (scores, _), (expected, _) in [(flat.search(queries, 5), exact.search(queries, 5))]:
        np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.skipif(faiss.get_num_gpus() == 0, reason="FAISS sees no GPU")
def test_the_gpu_agrees_past_its_rebuild() -> None:
    index, ids, vectors = make_index("flat", DIM), numbers(5000), random(5000)
    index.add(ids, vectors)
    index.remove(ids[:1500])
    check(index, ids[1500:], vectors[1500:], k=100)
    check(index, ids[1500:], vectors[1500:], k=3000)  # more than a GPU can select


def test_hits_past_what_a_gpu_can_select_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same path on a CPU, told that it is a GPU that selects 50."""
    monkeypatch.setattr("engine.index.flat.GPU_MAX_K", 50)
    index, ids, vectors = FlatIndex(DIM), numbers(300), random(300)
    index.add(ids, vectors)
    index._on_gpu = True
    check(index, ids, vectors, k=10)
    check(index, ids, vectors, k=200)
    query = random(1, seed=5)
    nearest = np.argsort(-(query @ vectors.T)[0])[:60]  # all of what the GPU selects is gone
    index.remove(ids[nearest])
    kept = np.delete(np.arange(300), nearest)
    check(index, ids[kept], vectors[kept], k=10)
    assert (index.search(query, 10)[1] >= 0).all()
