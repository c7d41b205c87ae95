"""`serve` and `eval` as processes: a service that answers, and the document that `eval` promises."""

from __future__ import annotations

import io
import json
import signal
import tarfile
from pathlib import Path

import httpx
import pytest
from command import CPU, finish, invoke, run, start
from PIL import Image

COLORS = ("red", "lime", "blue", "yellow", "aqua", "white")


def test_serve_says_where_it_is_answers_and_ends_on_ctrl_c(
    indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    process = start("serve", "--gallery", indexed, "--port", "0", "--open", *CPU, "--json")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, b"")
    text = b""
    for line in lines:
        text += line
        if line == b"}\n":
            break
    document = json.loads(text)

    answer = httpx.post(f"{document['url']}v1/search", json={"text": "red", "k": 1}, timeout=30)
    process.send_signal(signal.SIGINT)
    ran = finish(process)

    assert document == {"url": document["url"], "gallery": str(indexed), "model": "color"}
    assert answer.json()["hits"][0]["uri"].endswith("/red.png")
    assert (ran.code, ran.out) == (0, "")
    assert "Traceback" not in ran.err
    assert opened.read_text() == document["url"] + "\n"


def captioned_tar(path: Path) -> Path:
    """Write a set in which each color's caption finds its picture, and each picture its caption."""
    with tarfile.open(path, "w") as archive:
        for color in COLORS:
            buffer = io.BytesIO()
            Image.new("RGB", (8, 8), color).save(buffer, "PNG")
            captions = json.dumps({"captions": [color, f"{color} {color}"]}).encode()
            for name, data in ((f"{color}.png", buffer.getvalue()), (f"{color}.json", captions)):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return path


def test_eval_as_json_is_the_promised_document(tmp_path: Path) -> None:
    path = captioned_tar(tmp_path / "colors.tar")

    ran = run("eval", path, "--model", "color", "--seed", "7", *CPU, "--json")

    assert ran.code == 0
    document = ran.document
    assert set(document) == {
        "dataset", "items", "model", "recall", "reranked", "intervals", "latency_ms", "seed",
    }  # fmt: skip
    assert (document["dataset"], document["model"], document["seed"]) == ("colors.tar", "color", 7)
    assert document["items"] == {"pictures": 6, "captions": 12}
    for stage in ("recall", "reranked"):
        for direction in ("text_to_image", "image_to_text"):
            assert document[stage][direction]["R@1"] == 100
            assert document[stage][direction]["mean_rank"] == 1
    assert set(document["latency_ms"]) == {"p50", "p95"}


def test_eval_as_a_table_and_with_a_limit(tmp_path: Path) -> None:
    path = captioned_tar(tmp_path / "colors.tar")

    table = invoke("eval", path, "--model", "color", "--diversity", "0.3", *CPU).out.splitlines()
    limited = invoke("eval", path, "--model", "color", "--limit", "2", "--no-rerank", *CPU, "--json").document

    assert table[0] == "colors.tar: 6 pictures, 12 captions, model color"
    assert table[2].split()[:5] == ["words", "to", "picture", "recall", "100.0"]
    assert [line.split()[3] for line in table[2:8]] == ["recall", "reranked", "diverse"] * 2
    assert limited["items"] == {"pictures": 2, "captions": 4}
    assert "reranked" not in limited
