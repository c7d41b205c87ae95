"""A language model behind a real HTTP server: it helps, talks nonsense, is slow, or is down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from engine import BadInput, SearchEngine
from engine.dialogue import Endpoint, Sessions, Turn
from engine.grammar import parse, parse_sum

FREE = "I fancy something of a calmer tone"


class Server(ThreadingHTTPServer):
    """Speaks chat/completions: `answer` is what it says, and `asked` what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[], str] = lambda: ""
        self.status = 200
        self.whole: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        message = {"role": "assistant", "content": self.server.answer()}
        body = self.server.whole or json.dumps({"choices": [{"message": message}]}).encode()
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def talk(engine: SearchEngine, endpoint: Endpoint, *utterances: str) -> Turn:
    with Sessions(engine, endpoint=endpoint) as sessions:
        id = sessions.create("red").id
        return [sessions.say(id, utterance) for utterance in utterances][-1]


def test_free_phrasing_becomes_a_query(engine: SearchEngine, server: Server) -> None:
    server.answer = lambda: '"blue" + "calm"*0.5 - "red"*0.25'
    turn = talk(engine, Endpoint(server.url, "tiny", "secret"), FREE)
    assert turn.session.asked.written() == '"blue" + "calm"*0.5 - "red"*0.25'
    assert (turn.understood, turn.notes) == (("by the language model",), ())
    assert turn.session.turns[0].said == FREE
    (asked,) = server.asked
    assert asked["model"] == "tiny"
    assert asked["messages"][-1]["content"] == f"query: red\nsaid: {FREE}\nanswer:"
    assert server.headers[0]["authorization"] == "Bearer secret"
    assert "secret" not in repr(Endpoint(server.url, "tiny", "secret"))


def test_what_the_rules_read_is_not_sent_anywhere(engine: SearchEngine, server: Server) -> None:
    talk(engine, Endpoint(server.url, "tiny"), "without people", "more like the second", "undo", "at night")
    assert server.asked == []


def test_nothing_of_the_gallery_is_sent(engine: SearchEngine, server: Server) -> None:
    server.answer = lambda: '"red" + like:2*0.5'
    turn = talk(engine, Endpoint(server.url, "tiny"), "more like item 2", FREE)
    assert turn.understood == ("by the language model",)  # an item that the query has may stay in it
    sent = json.dumps(server.asked)
    assert "like:2" in sent and not any(name in sent for name in ("file:", ".png", "photos", "blue"))


@pytest.mark.parametrize(
    "nonsense",
    [
        "Sure! Here is a query about calm things.",
        'Sure! "blue"',
        '"blue" + calm',
        '"blue"\n"red"',
        '"blue',
        '"blue" - "blue"',
        "",
        '"blue" + like:3',
        '"blue" + image:"/etc/passwd"',
        '"blue" + photo.jpg',
        " + ".join(f'"thing {n}"' for n in range(40)),
    ],
)
def test_an_answer_that_is_no_query_is_refused(engine: SearchEngine, server: Server, nonsense: str) -> None:
    server.answer = lambda: nonsense
    turn = talk(engine, Endpoint(server.url, "tiny"), FREE)
    assert FREE in turn.session.asked.written()
    assert len(turn.notes) == 1 and "understood by the rules" in turn.notes[0]
    assert turn.result is not None and turn.result.hits


@pytest.mark.parametrize(
    ("whole", "status", "says"),
    [
        (b"<html>", 200, "not JSON"),
        (b"{}", 200, "no chat completion"),
        (b'{"choices": [{"message": {"content": null}}]}', 200, "has no text"),
        (b"{}", 500, "status 500"),
        (b"x" * 70_000, 200, "over 65,536 bytes"),
    ],
)
def test_a_reply_that_is_none_is_said(
    engine: SearchEngine, server: Server, whole: bytes, status: int, says: str
) -> None:
    server.whole, server.status = whole, status
    (note,) = talk(engine, Endpoint(server.url, "tiny"), FREE).notes
    assert says in note


def test_an_endpoint_that_is_slow_or_down_is_not_waited_for(engine: SearchEngine, server: Server) -> None:
    def slowly() -> str:
        time.sleep(0.5)
        return '"blue"'

    server.answer = slowly
    (note,) = talk(engine, Endpoint(server.url, "tiny", timeout=0.1), FREE).notes
    assert "did not answer in 0.1 seconds" in note
    (note,) = talk(engine, Endpoint("http://127.0.0.1:9/v1", "tiny"), FREE).notes
    assert "cannot be reached" in note


@pytest.mark.parametrize(
    ("url", "model"), [("localhost:11434", "m"), ("", "m"), ("file:///x", "m"), ("http://x", "")]
)
def test_an_endpoint_that_is_none_is_refused(url: str, model: str) -> None:
    with pytest.raises(BadInput):
        Endpoint(url, model)


def test_a_sum_has_every_term_marked() -> None:
    assert parse_sum('"blue"').phrases == ()
    assert parse_sum('"blue" - "red"*0.5') == parse('"blue" - "red"*0.5')
    for text in ("blue", 'very "blue"', '"blue"\n', ""):
        with pytest.raises(BadInput):
            parse_sum(text)
