"""The commands that read: one JSON document or a table on stdout, everything else on stderr."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import CPU, Ran, environment, invoke, run
from rich.console import Console

import engine
from api.cli.search import make_budget
from engine import Item, SearchEngine
from engine.pictures import file_uri
from engine.types import Budget

HEAVY = ("torch", "faiss", "sqlalchemy", "PIL", "fastapi", "transformers", "open_clip")


def test_help_and_version_import_nothing_heavy() -> None:
    script = (
        "import atexit, sys; from api.cli import main\n"
        f"atexit.register(lambda: print([x for x in {HEAVY} if x in sys.modules], file=sys.stderr))\n"
        "main()"
    )

    for option, expected in (("--help", "index"), ("--version", f"crosslight {engine.__version__}\n")):
        done = subprocess.run(
            [sys.executable, "-c", script, option],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in done.stdout
        assert done.stderr == "[]\n"


def test_index_reports_as_json(shared: tuple[Path, Ran], pictures: Path) -> None:
    gallery, ran = shared

    assert ran.code == 0
    document = ran.document
    assert document.pop("seconds") > 0
    assert document == {
        "gallery": str(gallery),
        "added": 6,
        "updated": 0,
        "unchanged": 0,
        "moved": 0,
        "removed": 0,
        "failed": {file_uri(pictures / "bad.jpg"): document["failed"][file_uri(pictures / "bad.jpg")]},
        "interrupted": False,
    }
    assert "not a picture" in document["failed"][file_uri(pictures / "bad.jpg")]


def test_search_by_words_as_json(indexed: Path, pictures: Path) -> None:
    ran = run("search", "red", "--gallery", indexed, "-k", "2", *CPU, "--json")

    assert (ran.code, ran.err) == (0, "")
    document = ran.document
    assert set(document) >= {"query", "hits", "timings"}
    first = document["hits"][0]
    assert set(first) >= {"rank", "id", "uri", "kind", "score", "probability", "signals", "metadata"}
    assert (first["rank"], first["uri"], first["kind"]) == (1, file_uri(pictures / "red.png"), "image")
    assert (first["text"], first["metadata"]["width"]) == ("a red card", 40)
    assert [hit["score"] for hit in document["hits"]] == sorted(
        (hit["score"] for hit in document["hits"]), reverse=True
    )


def test_search_with_a_filter(indexed: Path) -> None:
    wide = invoke("search", "red", "--gallery", indexed, "--filter", "width >= 70", *CPU, "--json")
    assert {hit["metadata"]["width"] for hit in wide.document["hits"]} == {70, 80, 90}

    shown = invoke("search", "red", "--gallery", indexed, "--filter", 'text matches "card"', *CPU)
    assert (shown.code, "filter: 1 of 6 items" in shown.out) == (0, True)

    mistaken = invoke("search", "red", "--gallery", indexed, "--filter", "widht > 5", *CPU)
    assert (mistaken.code, "no item has a column 'widht'; there is width" in mistaken.err) == (1, True)


def test_search_by_a_picture_and_by_both(indexed: Path, pictures: Path) -> None:
    by_picture = invoke(
        "search", "--image", pictures / "blue.png", "--gallery", indexed, *CPU, "--json"
    ).document
    both = invoke(
        "search", "red", "--image", pictures / "blue.png", "--gallery", indexed, *CPU, "--json"
    ).document

    assert by_picture["hits"][0]["uri"] == file_uri(pictures / "blue.png")
    # red and blue together are nearer to both of them than to any other color here
    best = {hit["uri"] for hit in both["hits"][:2]}
    assert best == {file_uri(pictures / "blue.png"), file_uri(pictures / "red.png")}


def test_search_by_a_sum_and_by_an_item(indexed: Path, pictures: Path) -> None:
    def found(*arguments: str | Path) -> list[tuple[str, float]]:
        ran = invoke("search", *arguments, "--gallery", indexed, *CPU, "--json")
        return [(hit["uri"], hit["signals"]["visual"]) for hit in ran.document["hits"]]

    def uris(*arguments: str | Path) -> list[str]:
        return [uri for uri, _ in found(*arguments)]

    blue = pictures / "blue.png"
    assert uris(f'"red" + image:"{blue}"') == uris("red", "--image", blue)
    assert found(f'"red" + {blue}[0,0,1,1] - "green"*0.5') != found("red", "--image", blue)
    like = uris("--like", file_uri(blue))
    assert like == uris(f"like:{file_uri(blue)}") and file_uri(blue) not in like

    mistaken = invoke("search", '"red', "--gallery", indexed, *CPU)
    assert (mistaken.code, mistaken.err) == (
        1,
        'error: the quotes that open here are not closed:\n  "red\n  ^\n',
    )
    gone = invoke("search", "--like", "999", "--gallery", indexed, *CPU, "--json")
    assert (gone.code, gone.document["error"]["kind"]) == (1, "ItemNotFound")


def test_search_in_pages_and_in_groups(indexed: Path) -> None:
    def ask(*arguments: str) -> Ran:
        return invoke("search", "red", "--gallery", indexed, "-k", "4", *arguments, *CPU)

    first = ask("--json").document
    second = ask("--page", first["next_page"], "--json").document
    assert [hit["rank"] for hit in first["hits"] + second["hits"]] == [1, 2, 3, 4, 5, 6]
    assert len({hit["id"] for hit in first["hits"] + second["hits"]}) == 6
    assert second["next_page"] is None
    assert f"--page {first['next_page']}" in ask().out
    grouped = ask("--group", "--diversity", "0.5", "--json").document
    assert grouped["hits"] and grouped["notes"]


@pytest.mark.parametrize(
    ("given", "budget"),
    [("50ms", Budget(50)), ("30", Budget(None, 30)), ("2.5ms,30", Budget(2.5, 30))],
)
def test_a_budget_is_time_candidates_or_both(given: str, budget: Budget) -> None:
    assert make_budget(given, rerank=True) == budget


def test_what_cannot_be_kept_to_is_refused(indexed: Path) -> None:
    for arguments, said in (
        (("--budget", "soon"), "'soon' is no budget; write 50ms"),
        (("--budget", "30", "--no-rerank"), "no reranking to put a budget on"),
        (("--precision", "0.9"), "precision 0.9 needs the probability of each hit"),
        (("--precision", "2"), "precision is 2.0"),
    ):
        ran = invoke("search", "red", *arguments, "--gallery", indexed, *CPU)
        assert (ran.code, said in ran.err) == (1, True), ran.err


def test_search_as_a_table_with_its_explanation(
    indexed: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures)

    ran = invoke("search", "red", "--gallery", indexed, "-k", "2", "--explain", *CPU)

    assert (ran.code, ran.err) == (0, "")
    header, first, *_ = ran.out.splitlines()
    assert header.split() == ["rank", "score", "caption", "lexical", "visual", "recall", "item"]
    assert first.split()[0] == "1"
    assert first.rstrip().endswith("red.png  a red card")
    assert "1  red.png  recall rank 1 -> rank 1" in ran.out
    assert "score 0.0492 = visual 0.0164 + caption 0.0164 + lexical 0.0164" in " ".join(ran.out.split())
    assert "plan: unfiltered, 6 items" in ran.out
    some = invoke("search", "red", "-g", indexed, "--filter", 'uri >= "file"', "--explain", *CPU)
    assert "plan: bitmap, 6 items, estimated 6, actual 6; 100.00% of the items are allowed" in some.out
    quoted = invoke("search", '"red card"', "-g", indexed, "--explain", *CPU)
    assert "plan: bitmap, 6 items, actual 1; 16.67% of the items are allowed" in quoted.out


def test_what_a_filter_allows_is_counted_to_be_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.plan.OVER_FETCH_LEAST", 100)
    gallery = tmp_path / "texts"
    with SearchEngine.open(gallery, model="color") as engine:
        engine.add(Item(f"t{n}", "text", f"red w{n}", metadata={"five": n % 5}) for n in range(1000))
    ran = invoke("search", "red", "-g", gallery, "--filter", "five >= 1", "--explain", *CPU)
    assert "plan: over-fetch, 1,000 items, estimated " in ran.out and ", actual 800; " in ran.out


def test_more_hits_than_items_gives_all_and_another_kind_gives_none(indexed: Path) -> None:
    everything = invoke("search", "red", "--gallery", indexed, "-k", "1000", *CPU, "--json").document
    texts = invoke(
        "search", "red", "--gallery", indexed, "--kind", "text", "--no-rerank", *CPU, "--json"
    ).document

    assert len(everything["hits"]) == 6
    assert (texts["hits"], texts["reranked"]) == ([], False)


def test_the_gallery_comes_from_the_environment_or_from_here(indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "crosslight.gallery").symlink_to(indexed)

    from_environment = run("info", "--json", env={"CROSSLIGHT_GALLERY": str(indexed)})
    from_here = run("info", "--json", cwd=tmp_path)

    assert from_environment.document["gallery"] == str(indexed)
    assert from_here.document["gallery"] == "crosslight.gallery"
    for ran in (from_environment, from_here):
        assert (ran.document["model"], ran.document["items"], ran.document["pictures"]) == ("color", 6, 6)


def test_info_as_a_table(indexed: Path) -> None:
    rows = dict(line.split(maxsplit=1) for line in invoke("info", "--gallery", indexed).out.splitlines())

    assert (rows["model"].strip(), rows["pictures"].strip()) == ("color", "6")
    assert rows["bytes"].startswith("database ")


def test_models_are_listed() -> None:
    keys = {row["key"]: row for row in invoke("models", "list", "--json").document["models"]}
    table = invoke("models", "list").out

    assert keys["color"]["available"] is True
    assert {"mini", "color"} < set(keys)
    assert all(key.split(":")[0] in table for key in keys)


def test_search_by_chosen_signals(indexed: Path, pictures: Path) -> None:
    def ask(signals: str) -> Ran:
        return invoke("search", "card", "--gallery", indexed, "--signals", signals, *CPU, "--json")

    (hit,) = ask("lexical=1").document["hits"]
    assert hit["uri"] == file_uri(pictures / "red.png") and set(hit["signals"]) == {"lexical"}
    assert len(ask("visual, lexical=0.5").document["hits"]) == 6
    assert "write NAME=WEIGHT" in ask("lexical=much").document["error"]["message"]
    assert "no signal 'smell'" in ask("smell").document["error"]["message"]


def test_hits_are_written_to_files_for_scripts(indexed: Path, tmp_path: Path) -> None:
    def written(name: str) -> str:
        ran = invoke("search", "red", "--gallery", indexed, "-k", "3", "--out", tmp_path / name, *CPU)
        assert (ran.code, ran.out) == (0, "")
        return (tmp_path / name).read_text("utf-8")

    whole = json.loads(written("hits.json"))
    assert [json.loads(line) for line in written("hits.jsonl").splitlines()] == whole["hits"]
    rows = list(csv.DictReader(io.StringIO(written("hits.csv"))))
    assert [(row["uri"], row["text"]) for row in rows] == [
        (h["uri"], h.get("text", "")) for h in whole["hits"]
    ]
    refused = invoke("search", "red", "--gallery", indexed, "--out", tmp_path / "hits.xlsx", *CPU)
    assert refused.code == 1 and "end it in .json, .jsonl, .csv" in refused.err.replace("\n", " ")
    assert not (tmp_path / "hits.xlsx").exists()


@pytest.mark.mini
def test_heat_maps_are_drawn_one_a_hit(pictures: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "gallery"
    invoke("index", pictures, "--gallery", gallery, *CPU)
    search = ("search", "a red card", "--gallery", gallery, "-k", "2", *CPU)
    ran = invoke(*search, "--heat-maps", tmp_path / "maps", "--json")
    hits = ran.document["hits"] or ran.document["misses"]
    drawn = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert drawn == [f"{hit['rank']:03d}-{hit['id']}.png" for hit in hits] and len(drawn) == 2
    assert "2 heat maps in" in ran.err


def test_without_maps_it_says_so(indexed: Path, tmp_path: Path) -> None:
    ran = invoke("search", "red", "--gallery", indexed, *CPU, "--heat-maps", tmp_path)
    assert "no heat maps: color does not tell" in ran.err and not list(tmp_path.iterdir())


def test_pictures_are_shown_where_there_are_colors(
    indexed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    search = ("search", "red", "--gallery", indexed, "-k", "1", *CPU, "--pictures")
    plain = invoke(*search)
    assert "no pictures: this is no terminal with colors" in plain.err and "▄" not in plain.out
    colored = Console(force_terminal=True, color_system="truecolor", width=80, file=io.StringIO())
    monkeypatch.setattr("api.cli.hits.stdout", colored)
    invoke(*search)
    shown = colored.file.getvalue()  # type: ignore[attr-defined]
    assert "▀" in shown or "▄" in shown
    assert re.search(r"(38|48);2;25[0-9];[0-5];[0-5]m", shown)  # red


def test_a_shell_can_complete_commands_and_options() -> None:
    env = environment(_CROSSLIGHT_COMPLETE="complete_bash", COMP_WORDS="crosslight sea", COMP_CWORD="1")
    done = subprocess.run(
        [sys.executable, "-c", "from api.cli import main; import sys; sys.argv[0] = 'crosslight'; main()"],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["search"]
