"""verify, snapshot and restore as a person runs them."""

from __future__ import annotations

import shutil
from pathlib import Path

from command import CPU, invoke


def test_a_snapshot_is_taken_checked_and_restored(indexed: Path, tmp_path: Path) -> None:
    copy, back = tmp_path / "copy.gallery", tmp_path / "back.gallery"
    assert invoke("snapshot", copy, "--gallery", indexed, "--json").document == {"gallery": str(copy)}
    assert "is there already" in invoke("snapshot", copy, "--gallery", indexed).err
    assert invoke("restore", copy, "--gallery", back).code == 0
    assert invoke("verify", "--gallery", back).out == "all is well\n"
    found = invoke("search", "red", "--gallery", back, *CPU, "--json").document["hits"]
    assert len(found) == 6


def test_damage_is_told_and_mended(indexed: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "g.gallery"
    shutil.copytree(indexed, gallery)
    (directory,) = (gallery / "generations").iterdir()
    ids = directory / "visual.ids.npy"
    ids.write_bytes(ids.read_bytes()[:-8] + (999).to_bytes(8, "little"))

    told = invoke("verify", "--gallery", gallery)
    assert told.code == 1
    damage = f"generation {directory.name}: is changed: visual.ids.npy is another file than its header says"
    assert damage in told.out and "(--repair mends it)" in told.out
    mended = invoke("verify", "--gallery", gallery, "--repair", "--json")
    assert (mended.code, mended.document["mended"]) == (0, 1)
    assert invoke("verify", "--gallery", gallery, "--json").document == {"problems": [], "mended": 0}


def test_info_tells_of_the_index(indexed: Path) -> None:
    shown = invoke("info", "--gallery", indexed)
    assert (shown.code, "visual flat, 6 items (6 items are fewer than 50,000" in shown.out) == (0, True)
