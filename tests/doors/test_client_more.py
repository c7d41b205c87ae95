"""What the Python client does beside searching: streams, jobs, conversations, telling, recommending."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from serving import fill, picture_bytes, running

from api.client import AsyncClient, Client, Event, Job, NewPicture, NewText, NotFound, Refused, ServiceError
from api.http import Settings, create_app


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder that jobs may read."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for color in ("pink", "cyan"):
        (folder / f"{color}.png").write_bytes(picture_bytes(color))
    return folder


@pytest.fixture
def url(tmp_path: Path, photos: Path) -> Iterator[str]:
    """A server whose gallery may be written to."""
    fill(tmp_path / "g.gallery", tmp_path / "pictures")
    with running(create_app(Settings(tmp_path / "g.gallery", source_roots=(photos,)))) as url:
        yield url


def test_a_stream_tells_of_each_item_and_is_done_once(url: str) -> None:
    new = [
        NewText("my:1", "a note"),
        NewPicture("my:2", b"no picture"),
        NewPicture("my:3", picture_bytes("lime"), "a lime card"),
    ]
    with Client(url) as client:
        told = list(client.ingest(new, idempotency_key="7f3a"))
        assert [(one.uri, one.status) for one in told] == [
            ("my:1", "added"),
            ("my:2", "failed"),
            ("my:3", "added"),
        ]
        assert told[1].reason and told[1].id is None
        assert list(client.ingest(new, idempotency_key="7f3a")) == told  # the first answer, done once
        assert [one.status for one in client.ingest(new)] == ["unchanged", "failed", "unchanged"]
        with pytest.raises(ServiceError, match="another body"):
            list(client.ingest(new[:1], idempotency_key="7f3a"))
        first = client.add(new[:1], idempotency_key="9")
        assert (first.unchanged, client.add(new[:1], idempotency_key="9")) == (1, first)
        with pytest.raises(Refused, match="at least 1 character"):
            client.add([NewText("", "nameless")])
        (nameless,) = client.ingest([NewText("", "nameless")])
        assert nameless.status == "failed" and nameless.uri is None


def test_a_job_is_followed_to_its_end(url: str, photos: Path) -> None:
    with Client(url) as client:
        job = client.start_job("ingest", source=str(photos))
        *_, last = client.follow(job.id)
        assert (last.state, last.is_over, last.result and last.result["added"]) == ("done", True, 2)
        assert client.job(job.id) == last and client.jobs()[0] == last
        assert client.search("pink", k=1).hits[0].item.uri.endswith("pink.png")
        with pytest.raises(ServiceError, match="done already"):
            client.cancel_job(job.id)
        with pytest.raises(NotFound, match="no job 'x'"):
            list(client.follow("x"))


def test_a_conversation_is_had(url: str) -> None:
    with Client(url) as client:
        session = client.begin()
        assert (session.written, session.can_undo) == (None, False)
        turn = client.say(session.id, "red", k=2, explain=True)
        assert turn.results is not None and turn.results.hits[0].item.uri.endswith("red.png")
        why = turn.results.hits[0].explanation
        assert why is not None and why.recall_rank == 1
        assert sum(value or 0 for value in why.contributions.values()) == pytest.approx(
            turn.results.hits[0].score
        )
        without = client.say(session.id, "without blue")
        assert without.session.written == '"red" - "blue"*0.5' and "blue" in without.understood[0]
        assert client.undo(session.id).session.written == "red"
        edited = client.edit(session.id, "green", filter="width > 100").session
        assert (edited.written, edited.filter) == ("green", "width > 100")
        assert [turn.written for turn in client.session(session.id).turns][-1] == "green"
        client.end(session.id)
        with pytest.raises(NotFound):
            client.session(session.id)


def test_values_are_counted_and_items_recommended(url: str) -> None:
    with Client(url) as client:
        counted = client.facets(["format", "kind"], filter='kind = "image"')
        assert counted.counted == 5 and [(one.value, one.count) for one in counted.facets["format"]] == [
            ("PNG", 5)
        ]
        red, green = (client.search(color, k=1).hits[0].item for color in ("red", "green"))
        found = client.recommend([Event(red.id), Event(green.uri, "hidden")], k=2)
        assert len(found.items) == 2 and {red.id, green.id}.isdisjoint(one.item.id for one in found.items)
        assert found.items[0].reason.like == red and found.interests[found.items[0].interest].items == (
            red.id,
        )


@pytest.mark.mini
def test_the_bundled_model_tells_and_explains(mini_address: str, photographs: list[Path]) -> None:
    with Client(mini_address) as client:
        asked = "by the water a temple"
        (hit,) = client.search(asked, k=1, explain=True)
        assert hit.explanation is not None
        *_, word = hit.explanation.words
        assert word.word == "temple" and len(word.grid) == len(word.grid[0]) == 9
        drawn = Image.open(io.BytesIO(client.heat_map(hit.item.id, asked, "temple")))
        assert drawn.format == "PNG" and max(drawn.size) <= 1024
        told = client.caption(like=hit.item.id, count=2)
        assert told.model == "mini" and "building" in told.captions[0].text and len(told.captions) == 2
        answer = client.ask("is there a building?", photographs[0])
        assert (answer.text, answer.sure, answer.kind) == ("yes", True, "yes/no")
        assert answer.heat_map is not None
        assert sum(map(sum, answer.heat_map)) == pytest.approx(1, abs=1e-3)


def test_the_awaited_client_does_the_same(url: str, photos: Path) -> None:
    async def work() -> tuple[list[str], Job, list[str]]:
        async with AsyncClient(url) as client:
            told = [one.status async for one in client.ingest([NewText("my:1", "a"), NewText("my:2", "b")])]
            started = await client.start_job("ingest", source=str(photos))
            *_, job = [one async for one in client.follow(started.id)]
            session = await client.begin("red")
            assert (await client.say(session.id, "without blue")).session.can_undo
            return told, job, [item.uri async for item in client.items('kind = "text"')]

    told, job, uris = asyncio.run(work())
    assert told == ["added", "added"] and job.state == "done"
    assert uris == ["note:1", "note:2", "my:1", "my:2"]
