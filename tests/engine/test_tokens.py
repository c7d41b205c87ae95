"""Tokens come back as they went in, from memory, from the mapped file, and after both changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.tokens import TokenStore
from engine.types import Tokens


def random(count: int, seed: int) -> Tokens:
    return np.random.default_rng(seed).integers(-127, 128, size=(count, 9, 4)).astype(np.int8)


def test_a_round_trip_with_changes_after_the_save(tmp_path: Path) -> None:
    ids, tokens = np.array([5, 9, 2**40]), random(3, 0)
    lengths = np.array([9, 3, 1], dtype=np.int16)
    first = TokenStore()
    first.put(ids, tokens, lengths)
    first.save(tmp_path / "t.npy", tmp_path / "l.npy", ids)

    store = TokenStore()
    store.load(tmp_path / "t.npy", tmp_path / "l.npy", ids)
    newer = random(2, 1)
    store.put(np.array([9, 10]), newer, np.array([2, 4], dtype=np.int16))
    read, read_lengths = store.read(np.array([2**40, 9, 5, 10]))
    np.testing.assert_array_equal(read, np.stack([tokens[2], newer[0], tokens[0], newer[1]]))
    assert read_lengths.tolist() == [1, 2, 9, 4]

    store.remove(np.array([5, 10, 77]))
    with pytest.raises(KeyError, match="5"):
        store.read(np.array([5]))
    store.save(tmp_path / "t2.npy", tmp_path / "l2.npy", np.array([9, 2**40]))
    again = TokenStore()
    again.load(tmp_path / "t2.npy", tmp_path / "l2.npy", np.array([9, 2**40]))
    np.testing.assert_array_equal(again.read(np.array([9]))[0][0], newer[0])


def test_loaded_tokens_are_mapped_not_read(tmp_path: Path) -> None:
    store = TokenStore()
    store.put(np.array([1]), random(1, 0), np.array([9], dtype=np.int16))
    store.save(tmp_path / "t.npy", tmp_path / "l.npy", np.array([1]))
    store.load(tmp_path / "t.npy", tmp_path / "l.npy", np.array([1]))
    assert isinstance(store._base, np.memmap)
