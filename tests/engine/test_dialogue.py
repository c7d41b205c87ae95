"""Conversations over a real gallery: what turns do, and that sessions last, expire and lose no turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import BadInput, Item, SearchEngine
from engine.dialogue import Sessions, Turn
from engine.errors import SessionExpired, SessionNotFound
from engine.options import Options


@pytest.fixture
def sessions(engine: SearchEngine) -> Iterator[Sessions]:
    with Sessions(engine) as opened:
        yield opened


def said(sessions: Sessions, *utterances: str, id: str | None = None) -> Turn:
    """Say one thing after another; gives the last turn."""
    id = id or sessions.create().id
    return [sessions.say(id, utterance) for utterance in utterances][-1]


def name(turn: Turn, rank: int = 1) -> str:
    assert turn.result is not None
    return Path(turn.result[rank - 1].item.uri).stem


def written(turn: Turn) -> str:
    return turn.session.asked.written()


def test_a_turn_refines_the_one_before(sessions: Sessions) -> None:
    turn = said(sessions, "red", "the same with yellow")
    assert (written(turn), turn.understood) == ('"red, yellow" + "yellow"*0.25', ("added: yellow",))
    for utterances, nearer, farther in (
        (("red",), "purple", "yellow"),
        (("red", "also yellow"), "yellow", "purple"),
    ):
        turn = said(sessions, *utterances)
        order = [name(turn, rank) for rank in range(1, 9)]
        assert order.index(nearer) < order.index(farther)
    assert turn.result is not None
    assert turn.session.shown == tuple(hit.item.id for hit in turn.result)


def test_what_is_taken_away_comes_last(sessions: Sessions) -> None:
    turn = said(sessions, "red", "without yellow")
    assert (written(turn), turn.understood) == ('"red" - "yellow"*0.5', ("taken off: yellow",))
    assert name(turn, 8) != "red"
    assert written(said(sessions, "red and yellow", "without yellow")) == '"red" - "yellow"*0.5'
    assert written(said(sessions, "red", "also yellow", "no yellow")) == '"red" - "yellow"*0.5'
    assert written(said(sessions, "red", "no yellow", "with yellow")) == '"red, yellow" + "yellow"*0.25'


def test_the_last_additions_count_a_little_on_their_own(sessions: Sessions) -> None:
    colors = ("yellow", "blue", "green", "purple", "black")
    turn = said(sessions, "red", *(f"also {color}" for color in colors))
    stressed = "".join(f' + "{color}"*0.25' for color in colors[1:])
    assert written(turn) == f'"red, {", ".join(colors)}"{stressed}'
    turn = said(sessions, "also green", "without blue", id=turn.session.id)  # said again, and taken off
    assert written(turn) == (
        '"red, yellow, green, purple, black" + "green"*0.75 + "purple"*0.25 + "black"*0.25 - "blue"*0.5'
    )
    assert written(said(sessions, "red", "also blue", "more red")) == '"red, blue" + "blue"*0.25 + "red"*0.5'


def test_a_bare_action_goes_on(sessions: Sessions) -> None:
    assert written(said(sessions, "red", "is running")) == '"red, is running" + "is running"*0.25'
    assert written(said(sessions, "red", "running")) == '"red, running" + "running"*0.25'


def test_hits_are_meant_by_their_place(sessions: Sessions) -> None:
    id = sessions.create().id
    first = said(sessions, "red", id=id)
    second, third = first.session.shown[1], first.session.shown[2]
    turn = said(sessions, "more like the second", id=id)
    assert written(turn) == f'"red" + like:{second}*0.5'
    assert turn.understood == (f"more like: {name(first, 2)} (item {second})",)
    assert second not in turn.session.shown
    turn = said(sessions, "not that one", id=id)  # the one last spoken of
    assert written(turn) == f'"red" - like:{second}*0.3'
    other = turn.session.shown[0]
    assert (
        written(said(sessions, "less like the first", id=id))
        == f'"red" - like:{second}*0.3 - like:{other}*0.3'
    )
    assert third != second


def test_undo_takes_turns_back_one_by_one(sessions: Sessions) -> None:
    id = sessions.create().id
    turns = [said(sessions, words, id=id) for words in ("red", "without yellow", "only blue")]
    assert [written(turn) for turn in turns] == ["red", '"red" - "yellow"*0.5', '"blue" - "yellow"*0.5']
    assert written(said(sessions, "undo", id=id)) == '"red" - "yellow"*0.5'
    assert written(sessions.undo(id)) == "red"
    empty = said(sessions, "go back", id=id)
    assert (written(empty), empty.result, empty.session.shown) == ("", None, ())
    with pytest.raises(BadInput, match="no turn to take back"):
        sessions.undo(id)


def test_start_over_forgets_and_can_be_undone(sessions: Sessions) -> None:
    id = sessions.create().id
    assert written(said(sessions, "red", "start over", id=id)) == ""
    assert written(said(sessions, "undo", id=id)) == "red"
    assert written(said(sessions, "start over with blue", id=id)) == "blue"


def test_filters_come_from_what_is_said(sessions: Sessions, engine: SearchEngine) -> None:
    red, blue = (
        Item("red", "text", "red", metadata={"year": 2020}),
        Item("blue", "text", "blue", metadata={"year": 2021}),
    )
    engine.add([red, blue])
    id = sessions.create().id
    turn = said(sessions, "red", "only texts", "only from 2021", id=id)
    assert (turn.session.asked.filter, name(turn), turn.understood) == (
        "year = 2021",
        "blue",
        ("only where: year = 2021",),
    )
    turn = said(sessions, "before 2021", id=id)
    assert (turn.session.asked.filter, name(turn)) == ("year < 2021", "red")
    assert said(sessions, "from any year", id=id).session.asked.filter is None
    with pytest.raises(BadInput, match="no item has a column 'yaer'"):
        said(sessions, "where yaer > 2", id=id)


def test_the_query_can_be_edited_and_must_parse(sessions: Sessions) -> None:
    id = sessions.create().id
    said(sessions, "red", id=id)
    turn = sessions.edit(id, '"blue" - "red"*0.5', filter="width > 50")
    assert (name(turn), written(turn), turn.said) == ("blue", '"blue" - "red"*0.5', None)
    for query, filter in (('"blue', None), ("blue", "width >"), ('"a" - "a"', None)):
        with pytest.raises(BadInput):
            sessions.edit(id, query, filter=filter)
    assert sessions.show(id).asked == turn.session.asked
    assert written(said(sessions, "without green", id=id)) == '"blue" - "red"*0.5 - "green"*0.5'


def test_queries_can_be_spoken(sessions: Sessions) -> None:
    assert written(said(sessions, "red", '+ "blue"*0.5')) == '"red" + "blue"*0.5'
    assert written(said(sessions, "red", 'like:2 + "blue"')) == 'like:2 + "blue"'


@pytest.mark.parametrize(
    ("utterances", "says"),
    [
        (("",), "nothing was said"),
        (("x" * 1001,), "1,001 characters, the limit is 1,000"),
        (("without people",), "nothing yet to take 'people' away from"),
        (("brighter",), "nothing yet to be more 'bright'"),
        (("more like the first",), "nothing is shown yet"),
        (("red", "forget the dogs"), "the query does not speak of 'dogs'; it is: red"),
        (("red", "more like item 99"), "no item has the id 99"),
        (
            (
                "red",
                '"blue',
            ),
            "not closed",
        ),
        (
            tuple(["red", *(f"without a thing that is called n{n}" for n in range(16))]),
            "17 parts, the limit is 16",
        ),
    ],
)
def test_what_cannot_be_followed_changes_nothing(
    sessions: Sessions, utterances: tuple[str, ...], says: str
) -> None:
    id = sessions.create().id
    for utterance in utterances[:-1]:
        sessions.say(id, utterance)
    before = sessions.show(id)
    with pytest.raises(LookupError if "99" in utterances[-1] else BadInput, match=says):
        sessions.say(id, utterances[-1])
    assert sessions.show(id) == before


def test_an_item_that_is_gone_leaves_the_query_with_a_note(sessions: Sessions, engine: SearchEngine) -> None:
    id = sessions.create().id
    item = said(sessions, "red", id=id).session.shown[0]
    said(sessions, "more like the first", id=id)
    engine.remove([engine.get(item).uri])
    turn = said(sessions, "without yellow", id=id)
    assert written(turn) == '"red" - "yellow"*0.5'
    assert turn.notes == (f"taken out: like:{item}, which is no longer in the gallery",)


def test_files_are_read_only_where_they_may_be(engine: SearchEngine, photos: Path) -> None:
    query = f'image:"{photos / "red.png"}"'
    with Sessions(engine) as sessions:
        assert name(said(sessions, query)) == "red"
    with Sessions(engine, files=False) as sessions:
        for refused in (query, f"search for {query}", "photo.jpg"):
            with pytest.raises(BadInput, match="names a picture file, and none is read here"):
                said(sessions, refused)
        with pytest.raises(BadInput, match="names a picture file"):
            sessions.create(query)


def test_sessions_survive_a_restart_and_leave_the_revision(gallery: Path, photos: Path) -> None:
    with SearchEngine.open(gallery, model="color") as engine, Sessions(engine) as sessions:
        engine.add(sorted(photos.iterdir()))
        revision = engine.store.revision()
        turn = said(sessions, "red", "without yellow")
        assert engine.store.revision() == revision
    with SearchEngine.open(gallery) as engine, Sessions(engine) as sessions:
        session = sessions.show(turn.session.id)
        assert session == turn.session
        assert written(said(sessions, "undo", id=session.id)) == "red"


def test_a_session_expires(engine: SearchEngine) -> None:
    now = [1000.0]
    with Sessions(engine, time_to_live=7200, clock=lambda: now[0]) as sessions:
        session = sessions.create("red")
        now[0] += 7199
        assert sessions.say(session.id, "without yellow").session.expires == now[0] + 7200
        now[0] += 7200
        with pytest.raises(SessionExpired, match="not used for 2 hours.*begin a new one"):
            sessions.say(session.id, "undo")
        now[0] += 7200 + 1
        sessions.create()
        with pytest.raises(SessionNotFound, match="begin a new one") as caught:
            sessions.show(session.id)
        assert caught.type is SessionNotFound


def test_a_session_that_was_ended_is_gone(sessions: Sessions) -> None:
    session = sessions.create()
    sessions.delete(session.id)
    for call in (sessions.show, sessions.delete, sessions.undo):
        with pytest.raises(SessionNotFound):
            call(session.id)


def test_no_more_sessions_are_kept_than_there_may_be(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.dialogue.sessions.MAX_SESSIONS", 3)
    ids = [sessions.create().id for _ in range(5)]
    with pytest.raises(SessionNotFound):
        sessions.show(ids[1])
    assert [sessions.show(id).id for id in ids[2:]] == ids[2:]


def test_what_is_remembered_is_bounded(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.dialogue.state.MAX_TURNS", 4)
    monkeypatch.setattr("engine.dialogue.state.MAX_UNDO", 3)
    session = sessions.create("red")
    for _ in range(6):
        after = sessions.edit(session.id, "blue", Options(k=1)).session
    assert (len(after.turns), len(after.before)) == (4, 3)


def test_turns_at_once_lose_none_of_each_other(gallery: Path, engine: SearchEngine) -> None:
    words = [f"a thing that is called n{n}" for n in range(12)]
    with SearchEngine.open(gallery) as other, Sessions(engine) as here, Sessions(other) as there:
        id = here.create("red").id
        threads = [
            threading.Thread(target=(here, there)[n % 2].say, args=(id, f"also {word}"))
            for n, word in enumerate(words)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        after = here.show(id)
    assert set(", ".join(after.asked.texts).split(", ")) == {"red", *words}
    assert (len(after.turns), after.version) == (12, 13)


def test_talking_goes_on_while_another_writes(gallery: Path, engine: SearchEngine, photos: Path) -> None:
    with SearchEngine.open(gallery) as other, Sessions(other) as sessions, engine.writing():
        assert name(said(sessions, "red")) == "red"


def test_a_read_only_gallery_keeps_sessions_in_passing(gallery: Path, engine: SearchEngine) -> None:
    engine.close()
    before = (gallery / "gallery.db").read_bytes()
    with SearchEngine.open(gallery, read_only=True) as opened, Sessions(opened) as sessions:
        assert written(said(sessions, "red", "without yellow", "undo")) == "red"
    assert (gallery / "gallery.db").read_bytes() == before
