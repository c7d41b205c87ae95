"""`crosslight train` as a person runs it: the table, the gate, a kill and what is used afterwards."""

from __future__ import annotations

import io
import json
import resource
import signal
import time
from itertools import permutations
from pathlib import Path

import pytest
import torch
from command import finish, invoke, run, start
from PIL import Image, ImageColor
from safetensors.torch import load_file

# Colors by names that the stand-in model does not know: only training can tell what they are.
NAMES = {
    "rufous": "red",
    "viridian": "green",
    "azul": "blue",
    "xanthic": "yellow",
    "jet": "black",
    "alabaster": "white",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of two-colored pictures with captions in made-up words."""
    folder = tmp_path_factory.mktemp("train")
    lines = []
    for one, other in permutations(NAMES, 2):
        for share in (18, 21, 24):
            name = f"{one}-{other}-{share}.png"
            picture = Image.new("RGB", (32, 32), ImageColor.getrgb(NAMES[one]))
            picture.paste(ImageColor.getrgb(NAMES[other]), (0, share, 32, 32))
            picture.save(folder / name)
            lines.append(
                {"image": name, "caption": f"{one} {'over' * (share > 18)} {one * (share > 21)} {other}"}
            )
    (folder / "set.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    done = invoke("index", folder / "set.jsonl", "--model", "color", "--gallery", folder / "gallery")
    assert done.code == 0, done.err
    return folder


def weights(gallery: Path) -> dict[str, torch.Tensor]:
    return load_file(gallery / "trained/1/weights.safetensors")


def wait_for(checkpoint: Path) -> None:
    deadline = time.monotonic() + 50
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_training_improves_survives_a_kill_and_is_dropped(made: Path) -> None:
    gallery, steps = made / "gallery", ("--steps", "400")
    process = start("train", "reencoder", "--gallery", gallery, *steps)
    checkpoint = gallery / "trained/reencoder.checkpoint"
    wait_for(checkpoint)
    process.send_signal(signal.SIGKILL)
    finish(process)
    assert checkpoint.exists() and not (gallery / "trained/current").exists()
    done = torch.load(checkpoint, weights_only=True)["step"]
    assert 50 <= done < 400

    found = invoke("train", "reencoder", "--gallery", gallery, *steps, "--json").document
    assert found["accepted"] and found["set"] == 1 and found["card"]["pictures"] == 90
    resumed = weights(gallery)
    assert "set 1, reencoder of" in invoke("info", "--gallery", gallery).out
    assert invoke("train", "drop", "--gallery", gallery).out == "the model's own parts are used\n"
    assert invoke("train", "drop", "--gallery", gallery, "--json").document == {"dropped": False}

    again = invoke("train", "reencoder", "--gallery", gallery, *steps)  # never interrupted
    assert again.code == 0 and "kept as set 2" in again.out and "text-to-image" in again.out
    uninterrupted = load_file(gallery / "trained/2/weights.safetensors")
    assert all(torch.equal(tensor, uninterrupted[name]) for name, tensor in resumed.items())


def test_heads_are_a_model_to_migrate_to(made: Path) -> None:
    invoke("train", "drop", "--gallery", made / "gallery")  # what another test has taught it
    words = ("train", "heads", "--gallery", made / "gallery", "--steps", "200")
    found = invoke(*words, "--json").document
    assert found["accepted"] and found["model"].startswith("heads:") and found["card"]["stage"] == "heads"
    folder = Path(found["model"].removeprefix("heads:"))
    assert "`crosslight migrate --model heads:FOLDER`" in (folder / "README.md").read_text()
    said = invoke(*words).out
    assert f"crosslight migrate --gallery {made / 'gallery'} --model heads:" in said
    done = invoke("migrate", "--gallery", made / "gallery", "--model", found["model"])
    assert done.code == 0, done.err
    assert invoke("info", "--gallery", made / "gallery", "--json").document["model"] == f"heads:{folder}"
    assert invoke("migrate", "--gallery", made / "gallery", "--back").code == 0


def test_what_is_refused_is_shown_and_not_kept(made: Path) -> None:
    done = invoke("train", "reencoder", "--gallery", made / "gallery", "--steps", "1")
    assert done.code == 1 and "refused: " in done.err
    assert "before" in done.out and "after" in done.out


def test_a_model_without_tokens_has_no_reranker_to_train(made: Path) -> None:
    done = invoke("train", "reranker", "--gallery", made / "gallery")
    assert done.code == 1 and "color makes no tokens for a reranker to read" in done.err


def test_pairs_from_a_table(made: Path) -> None:
    table = made / "pairs.csv"
    names = sorted(path.name for path in made.glob("*.png"))
    table.write_text("\n".join(["uri,caption", *(f"{name},something" for name in names[:50])]))
    words = ("train", "reencoder", "--gallery", made / "gallery", "--steps", "1", "--json", "--pairs")
    found = invoke(*words, table).document
    card = found["card"]
    assert found["notes"] == []
    assert (card["pictures"], card["captions"]) == (50, 50)
    strangers = [f"gone-{number}.png,something" for number in range(500)]
    table.write_text("\n".join(["uri,caption", *strangers, *(f"{name},something" for name in names[:50])]))
    done = invoke(*words, table)
    said = "500 of the 550 pictures of the pairs are not in the gallery and are left out, such as file://"
    assert done.err.startswith(said) and done.document["card"]["pictures"] == 50
    assert [note.startswith(said) for note in done.document["notes"]] == [True]
    table.write_text("uri,caption\n" + names[0] + ",x\n")
    assert "has 1 different pictures with captions, training needs 40" in invoke(*words, table).err
    table.write_text("uri,words\n")
    assert "pairs.csv needs a column uri and a column caption; it has uri, words" in invoke(*words, table).err
    table.write_text("uri,caption\n,x\n")
    assert "pairs.csv, row 2: the column uri names no picture" in invoke(*words, table).err


def saved(state: object) -> bytes:
    written = io.BytesIO()
    torch.save(state, written)
    return written.getvalue()


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", saved({})[:-40], saved([1, 2])])
def test_a_damaged_checkpoint_is_told_and_training_begins_from_the_start(made: Path, content: bytes) -> None:
    checkpoint = made / "gallery/trained/reencoder.checkpoint"
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_bytes(content)
    done = invoke("train", "reencoder", "--gallery", made / "gallery", "--steps", "1", "--json")
    assert done.code == 1 and "Traceback" not in done.err
    (note,) = done.document["notes"]
    assert note.startswith(f"{checkpoint} cannot be read (") and note.endswith("begins from the start")
    assert done.err.startswith(note) and "no gain beyond chance" in done.document["reason"]
    assert not checkpoint.exists()


def limit_files() -> None:
    """Let no file of this process grow over 100 kB: to a checkpoint that is a disk that has no more room."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_full_disk_is_a_clear_error(made: Path) -> None:
    gallery = made / "gallery"
    words = ("train", "reencoder", "--gallery", gallery, "--steps", "60", "--json")
    failed = run(*words, before=limit_files)
    assert failed.code == 1 and "Traceback" not in failed.err
    error = failed.document["error"]
    assert error["kind"] == "StorageFailed" and "free some space" in error["message"]
    assert not [path for path in (gallery / "trained").iterdir() if path.name.startswith(("ree", "."))]


def test_a_gallery_is_trained_by_one_at_a_time(made: Path) -> None:
    gallery = made / "gallery"
    process = start("train", "reencoder", "--gallery", gallery, "--steps", "100000")
    wait_for(gallery / "trained/reencoder.checkpoint")
    for stage in ("reencoder", "heads"):
        refused = invoke("train", stage, "--gallery", gallery, "--json")
        error = refused.document["error"]
        assert refused.code == 1 and error["kind"] == "GalleryBusy"
        assert f"is being trained by process {process.pid} on " in error["message"]
        assert "train reencoder --gallery" in error["message"]
    process.send_signal(signal.SIGKILL)
    finish(process)
    done = invoke("train", "reencoder", "--gallery", gallery, "--steps", "1")
    assert "refused: " in done.err and not (gallery / "training.json").exists()
