"""The Python client held against the OpenAPI document: where it asks, what it sends, what it reads."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from api.client import facets, jobs, recommending, replies, requests, talking, telling
from api.client.requests import Call, NewPicture, NewText

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text("utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
TURN: talking.TurnOptions = {"k": 3, "rerank": False, "explain": True, "group": True, "diversity": 0.5}
CALLS: dict[str, Call[Any]] = {
    "POST /search": requests.search("red", "blue", b"picture", 7, {"k": 3, "signals": {"visual": 1.0}}),
    "POST /items": requests.add([NewText("note:1", "red", {"n": 1}), NewPicture("my:1", b"1", "a")], "once"),
    "GET /items": requests.items("year > 2020", "abc"),
    "GET /items/{id}": requests.get(1),
    "DELETE /items/{id}": requests.remove(1),
    "GET /items/{id}/image": requests.image(1),
    "GET /items/{id}/thumbnail": requests.thumbnail(1, 320),
    "GET /items/{id}/heat-map": requests.heat_map(1, "red", "red"),
    "GET /info": requests.info(),
    "POST /caption": telling.caption(b"picture", None, 2, 3),
    "POST /ask": telling.ask("what is it?", None, 1),
    "POST /facets": facets.facets(["place"], "has place", "red", 10, 5),
    "POST /recommend": recommending.recommend(
        [recommending.Event(1, "hidden", datetime(2026, 11, 2, tzinfo=UTC)), recommending.Event("note:1")],
        3,
        7.0,
        0.5,
        "has place",
    ),
    "POST /sessions": talking.begin("red", "has place", "image"),
    "GET /sessions/{id}": talking.show("1"),
    "POST /sessions/{id}/say": talking.say("1", "at night", TURN),
    "PUT /sessions/{id}/query": talking.edit("1", "red", "has place", "text", TURN),
    "POST /sessions/{id}/undo": talking.undo("1", TURN),
    "DELETE /sessions/{id}": talking.end("1"),
    "POST /jobs": jobs.start("ingest", {"source": "/photos", "sync": True}),
    "GET /jobs": jobs.listed(),
    "GET /jobs/{id}": jobs.show("1"),
    "DELETE /jobs/{id}": jobs.cancel("1"),
}
REPLIES = {
    replies.Item: "ItemReply",
    replies.Word: "WordReply",
    replies.Explanation: "ExplanationReply",
    replies.Outcome: "OutcomeReply",
    replies.Added: "ItemsReply",
    replies.Page: "ItemPageReply",
    telling.Caption: "CaptionReply",
    telling.Nearest: "NearestReply",
    telling.Captions: "CaptionsReply",
    telling.Alternative: "AlternativeReply",
    telling.Answer: "AnswerReply",
    facets.Count: "CountReply",
    facets.Facets: "FacetsReply",
    recommending.Reason: "ReasonReply",
    recommending.Interest: "InterestReply",
    recommending.Recommendation: "RecommendReply",
    talking.Spoken: "SpokenReply",
    jobs.Job: "JobReply",
}


@pytest.mark.parametrize("route", CALLS)
def test_a_call_is_what_the_document_takes(route: str) -> None:
    call = CALLS[route]
    method, path = route.split()
    assert (call.method, call.path) == (method, path.replace("{id}", "1"))
    operation = DOCUMENT["paths"]["/v1" + path][method.lower()]
    known = {(one["in"], one["name"].lower()) for one in operation.get("parameters", ())}
    assert {("query", name) for name in call.params} | {("header", name) for name in call.headers} <= known
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    assert (call.json is None) == (body is None)
    if body is not None:
        jsonschema_rs.validate({**body["schema"], "components": DOCUMENT["components"]}, call.json)


def test_a_form_a_stream_and_events_are_where_the_document_has_them() -> None:
    form = DOCUMENT["paths"]["/v1/items"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    call = requests.add_files([__file__], {}, None)
    assert {*(call.data or {}), *(name for name, _ in call.files)} == set(form["properties"])
    assert "application/x-ndjson" in DOCUMENT["paths"]["/v1/ingest"]["post"]["requestBody"]["content"]
    assert "/v1" + jobs.events("1").replace("1", "{id}") in DOCUMENT["paths"]
    line = {**SCHEMAS["TextItem"], "components": DOCUMENT["components"]}
    jsonschema_rs.validate(line, json.loads(next(requests.lines_of([NewText("note:1", "red")]))))


@pytest.mark.parametrize("of", REPLIES, ids=lambda of: of.__name__)
def test_what_is_read_is_what_the_document_says_is_sent(of: Any) -> None:
    assert {field.name for field in dataclasses.fields(of)} <= set(SCHEMAS[REPLIES[of]]["properties"])
    assert of.__dataclass_params__.frozen


def test_every_option_is_there() -> None:
    search, turn = set(SCHEMAS["SearchRequest"]["properties"]), set(SCHEMAS["TurnRequest"]["properties"])
    assert set(requests.SearchOptions.__annotations__) | {"query", "text", "image", "like"} == search
    assert set(talking.TurnOptions.__annotations__) == turn
