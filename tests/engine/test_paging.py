"""What a cursor says survives being written, and nothing but a cursor of the same query is read."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import BadInput, Part, Query
from engine.options import Options
from engine.paging import Cursor, asked_for, read_cursor, write_cursor

HERE = {"gallery": "7d1c", "asked": "two dogs"}
IDS = st.integers(1, 2**63 - 1)


@given(IDS, st.integers(0, 10_000), st.frozensets(IDS))
def test_written_and_read_again(newest: int, hits: int, shown: frozenset[int]) -> None:
    text = write_cursor(Cursor(newest, hits, shown), **HERE)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert read_cursor(text, **HERE) == Cursor(newest, hits, shown)


def test_ten_hits_of_a_million_items_take_a_short_line() -> None:
    ids = np.random.default_rng(0).integers(1, 1_000_000, 10)
    assert len(write_cursor(Cursor(1_000_000, 10, frozenset(ids.tolist())), **HERE)) < 90


@given(st.data())
def test_one_changed_letter_is_noticed(data: st.DataObject) -> None:
    text = write_cursor(Cursor(90, 3, frozenset({3, 17, 40})), **HERE)
    place = data.draw(st.integers(0, len(text) - 2))  # the last letter has bits that are not read
    letter = data.draw(st.sampled_from("ABCxyz019-_!é "))
    changed = text[:place] + letter + text[place + 1 :]
    if changed != text:
        with pytest.raises(BadInput, match="is no page of this gallery; take next_page"):
            read_cursor(changed, **HERE)


@pytest.mark.parametrize("text", ["", "A", "nonsense", "AQ==", "é", "\x00", "A" * 100_000])
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(BadInput, match="is no page of this gallery") as told:
        read_cursor(text, **HERE)
    assert len(str(told.value)) < 200


def test_another_gallery_and_another_query() -> None:
    text = write_cursor(Cursor(9, 1, frozenset({1})), **HERE)
    with pytest.raises(BadInput, match="is no page of this gallery"):
        read_cursor(text, gallery="another", asked="two dogs")
    with pytest.raises(BadInput, match="the page belongs to another query; ask as for the page before"):
        read_cursor(text, gallery="7d1c", asked="two cats")


def test_what_came_later_is_left_out() -> None:
    assert Cursor(3, 1, frozenset({1})).allowed().tolist() == [True] * 4


def test_what_makes_two_searches_one() -> None:
    query = Query((Part(text="two dogs"),))
    same = asked_for(query, Options(k=5))
    assert same == asked_for(query, Options(k=50, explain=True, page="x"))
    others = [
        asked_for(Query((Part(text="two cats"),)), Options()),
        asked_for(Query((Part(text="two dogs", weight=2),)), Options()),
        asked_for(Query((Part(picture=b"1"),)), Options()),
        asked_for(Query((Part(picture=b"2"),)), Options()),
        asked_for(Query((Part(picture=Path("1")),)), Options()),
        asked_for(query, Options(filter="x = 1")),
        asked_for(query, Options(rerank=False)),
        asked_for(query, Options(group=True)),
        asked_for(query, Options(diversity=0.5)),
    ]
    others += [
        asked_for(query, Options(precision=0.5)),
        asked_for(query, Options(signals={"visual": 1.0})),
    ]
    assert len({same, *others}) == 12
    assert len(Options().paged) == len(fields(Options)) - 3  # but for k, explain and page
    assert len(asked_for(Query((Part(picture=b"1" * 1_000_000),)), Options())) < 1000
