"""`migrate` as a person runs it, below a service that goes on answering."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import open_clip
import pytest
import torch
from command import CPU, environment, invoke

from engine import Item, SearchEngine

NAME = "crosslight-cli-test"
CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
# The command, in a process that knows the model of this test.
COMMAND = """
import sys, open_clip
open_clip.add_model_config(sys.argv.pop(1))
from api.cli import main
main()
"""


@pytest.fixture
def clip(tmp_path: Path) -> str:
    """The key of a small real open_clip model, made here."""
    (tmp_path / f"{NAME}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(tmp_path / f"{NAME}.json")
    torch.manual_seed(0)
    torch.save(open_clip.create_model(NAME).state_dict(), tmp_path / "weights.pt")
    return f"open_clip:{NAME}@{tmp_path / 'weights.pt'}"


@pytest.fixture
def own(indexed: Path, tmp_path: Path) -> Path:
    """A copy of the shared gallery, to be written to."""
    return shutil.copytree(indexed, tmp_path / "own.gallery")


@pytest.fixture
def service(own: Path, tmp_path: Path, clip: str) -> Iterator[str]:
    """The address of a running `crosslight serve`."""
    words = ("serve", "--gallery", own, "--port", "0", *CPU, "--json")
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, tmp_path / f"{NAME}.json", *words],
        env=environment(),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    text = b""
    while not text.endswith(b"}\n"):
        line = process.stdout.readline()
        assert line, "the service ended"
        text += line
    yield json.loads(text)["url"]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def ask(service: str) -> tuple[str, int]:
    """Search over HTTP, and return the model that answered with the number of hits."""
    reply = httpx.post(f"{service}v1/search", json={"text": "red", "k": 50}, timeout=60)
    assert reply.status_code == 200, reply.text
    return httpx.get(f"{service}v1/info", timeout=60).json()["model"], len(reply.json()["hits"])


def test_a_service_follows_forth_and_back(service: str, own: Path, clip: str, tmp_path: Path) -> None:
    assert ask(service) == ("color", 6)

    (tmp_path / "queries.txt").write_text("a red card\n\nsomething blue\n")
    done = invoke(
        "migrate", "--model", clip, "--queries", tmp_path / "queries.txt", "-g", own, *CPU, "--json"
    ).document
    assert (done["old"], done["new"], done["switched"], done["missing"]) == ("color", clip, True, {})
    assert done["comparison"]["queries"] == 2 and 0 < done["comparison"]["overlap@10"] <= 1
    assert done["comparison"]["recall"]["old"]["R@1"] == 100  # of the one caption, by color
    assert ask(service) == (clip, 6)

    back = invoke("migrate", "--back", "-g", own, *CPU)
    assert "color is searched now, in place of open_clip" in back.out.replace("\n", " ")
    assert ask(service) == ("color", 6)
    assert invoke("migrate", "--finish", "-g", own, "--json").document["dropped"] == done["made"]
    assert ask(service) == ("color", 6)
    assert invoke("verify", "-g", own).out == "all is well\n"


def test_a_table_compares_the_models(own: Path, clip: str) -> None:
    ran = invoke("migrate", "--model", clip, "-g", own, *CPU)
    header, old, new, *_ = ran.out.splitlines()
    assert header.split() == ["model", "R@1", "R@5", "R@10", "overlap@10"]
    assert old.split()[:2] == ["color", "100.0"]
    assert ran.code == 0 and "is searched now, in place of color" in " ".join(ran.out.split())


def test_pictures_are_asked_where_there_are_no_texts(tmp_path: Path, pictures: Path, clip: str) -> None:
    path = tmp_path / "pictures.gallery"
    with SearchEngine.open(path, model="color") as engine:
        engine.add([pictures / "red.png", pictures / "blue.png", pictures / "lime.png"])
    ran = invoke("migrate", "--model", clip, "-g", path, *CPU)
    assert "100% of the hits of 3 pictures that ask for others" in " ".join(ran.out.split())
    assert "not compared" not in ran.err


def test_what_is_missing_is_named_and_nothing_changes(own: Path, clip: str, pictures: Path) -> None:
    blue = pictures / "blue.png"
    blue.rename(pictures / "hidden")
    try:
        refused = invoke("migrate", "--model", clip, "-g", own, *CPU, "--json")
        shown = invoke("migrate", "--model", clip, "-g", own, *CPU)
    finally:
        (pictures / "hidden").rename(blue)
    assert (refused.code, refused.document["error"]["kind"]) == (1, "BadInput")
    assert list(refused.document["migration"]["missing"]) == [blue.resolve().as_uri()]
    assert "blue.png: cannot be read any more: No such file or directory" in shown.out
    assert "give --allow-missing" in shown.err
    assert invoke("info", "-g", own, "--json").document["model"] == "color"


def limit_files() -> None:
    """Let no file of this process grow over 15 kB: to SQLite's log that is a disk that has no more room."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))


def test_a_full_disk_is_said_and_the_next_run_goes_on(own: Path, clip: str, tmp_path: Path) -> None:
    words = ("migrate", "--model", clip, "-g", own, *CPU, "--json")
    command = [sys.executable, "-c", COMMAND, tmp_path / f"{NAME}.json", *words]
    failed = subprocess.run(
        command, env=environment(), capture_output=True, preexec_fn=limit_files, check=False
    )
    assert failed.returncode == 1 and b"Traceback" not in failed.stderr
    assert json.loads(failed.stdout)["error"]["kind"] == "StorageFailed"
    assert invoke("info", "-g", own, "--json").document["model"] == "color"
    assert invoke("verify", "-g", own).out == "all is well\n"
    assert invoke(*words).document["switched"] is True
    assert invoke("verify", "-g", own).out == "all is well\n"


def test_one_thing_at_a_time(own: Path, clip: str, tmp_path: Path) -> None:
    assert invoke("migrate", "-g", own).code == 2
    assert invoke("migrate", "--back", "--finish", "-g", own).code == 2
    assert "no earlier model to go back to" in invoke("migrate", "--back", "-g", own).err
    assert "searched with these weights already" in invoke("migrate", "--model", "color", "-g", own).err
    (tmp_path / "empty.txt").write_text("\n")
    nothing = invoke("migrate", "--model", clip, "--queries", tmp_path / "empty.txt", "-g", own)
    assert "holds no query; write one a line" in nothing.err


def test_weights_that_are_gone_are_left_behind_uncompared(tmp_path: Path) -> None:
    path = tmp_path / "old.gallery"
    with SearchEngine.open(path, model="color") as engine:
        engine.add([Item(f"text:{color}", "text", color) for color in ("red", "green", "blue")])
    with sqlite3.connect(path / "gallery.db") as database:
        database.execute("UPDATE models SET stamp = 'of weights that nobody has'")
    result = invoke("migrate", "--model", "color", "--gallery", path, "--json")
    assert "not compared: the weights that made the old vectors are not here" in result.err
    done = result.document
    assert done["switched"] and done["made"] == 3 and done["comparison"] is None
    assert done["uncompared"] == "the weights that made the old vectors are not here any more"
    with SearchEngine.open(path) as engine:
        assert engine.search("green", k=1)[0].item.uri == "text:green"
