"""The autopilot in a gallery: it crosses its limits as items come, and reaches the recall asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import BadInput, Item, SearchEngine
from engine.index import TARGET, Aim
from engine.index.autopilot import FLAT_LIMIT
from engine.memory import allowed_memory

MEMORY = (FLAT_LIMIT + 1_000) * (32 + 272)  # bytes: HNSW of a thousand more items, of 32 dimensions


def texts(numbers: range) -> Iterator[Item]:
    """Texts of words that the color model hashes to all sides."""
    for n in numbers:
        words = np.random.default_rng(n).integers(0, 400, 8)
        yield Item(f"t{n}", "text", " ".join(f"w{word}" for word in words))


def described(engine: SearchEngine) -> dict[str, Any]:
    index: Any = engine.info()["index"]
    found: dict[str, Any] = index["caption"]
    return found


def test_the_kind_changes_as_a_gallery_grows_past_the_limits(gallery: Path) -> None:
    steps = [
        (range(FLAT_LIMIT - 1), "flat", "49,999 items are fewer than 50,000: an exact scan is as fast"),
        (range(FLAT_LIMIT - 1, FLAT_LIMIT + 900), "hnsw", "15,473,600 bytes for 50,900 items fit into"),
        (range(FLAT_LIMIT + 900, FLAT_LIMIT + 2_000), "ivf-sq8", "2,080,000 bytes for 52,000 items fit into"),
    ]
    for numbers, kind, reason in steps:
        with SearchEngine.open(gallery, model="color", index=Aim(memory=MEMORY)) as engine:
            engine.add(texts(numbers), batch_size=1000)
        with SearchEngine.open(gallery, index=Aim(memory=MEMORY), read_only=True) as engine:
            now = described(engine)
            assert (now["kind"], now["items"], now["built_for"]) == (kind, numbers.stop, numbers.stop)
            assert now["reason"].startswith(reason) and now["recall"] >= TARGET == now["target"]
            asked = [item.text or "" for item in texts(range(numbers.stop - 5, numbers.stop))]
            assert [engine.search(words, k=1)[0].item.text for words in asked] == asked


def test_a_gallery_keeps_the_recall_it_was_told_to_reach(gallery: Path) -> None:
    with SearchEngine.open(gallery, model="color", index="ivf") as engine:
        engine.add(texts(range(3000)), batch_size=1000)
        usual = described(engine)
    with SearchEngine.open(gallery, index=Aim("ivf", recall=0.8)) as engine:
        engine.add([])  # it is tuned anew, although nothing has come
    with SearchEngine.open(gallery, index="ivf") as engine:
        less = described(engine)
        assert (usual["target"], less["target"]) == (TARGET, 0.8)
        assert less["effort"] < usual["effort"] and 0.8 <= less["recall"] < usual["recall"]
        engine.add(texts(range(3000, 3500)), batch_size=500)
    with SearchEngine.open(gallery, index="ivf") as engine:
        assert (described(engine)["target"], described(engine)["built_for"]) == (0.8, 3500)
        engine.reindex()
        assert described(engine)["target"] == 0.8


def test_an_aim_that_cannot_be_is_refused() -> None:
    with pytest.raises(BadInput, match="a recall of 1.5 cannot be reached; ask for more than 0, at most 1"):
        Aim(recall=1.5)
    with pytest.raises(BadInput, match="an index cannot be held in 0 bytes"):
        Aim(memory=0)
    with pytest.raises(BadInput, match="no index kind 'annoy'"):
        Aim("annoy")


@pytest.mark.parametrize(
    ("cgroup", "limits", "expected"),
    [
        ("0::/", {"sys/fs/cgroup/memory.max": "1000000\n"}, 1_000_000),
        ("0::/", {"sys/fs/cgroup/memory.max": "max\n"}, None),
        (
            "0::/one/two",
            {"sys/fs/cgroup/one/memory.max": "2000000\n", "sys/fs/cgroup/one/two/memory.max": "3000000\n"},
            2_000_000,  # the parent's
        ),
        (
            "9:name=systemd:/x\n6:cpu,memory:/docker/abc",
            {"sys/fs/cgroup/memory/memory.limit_in_bytes": "4000000\n"},  # as a container sees its own
            4_000_000,
        ),
        ("6:memory:/", {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        (None, {"sys/fs/cgroup/memory.max": "1000000\n"}, None),
    ],
)
def test_the_memory_of_a_container_is_its_limit(
    tmp_path: Path, cgroup: str | None, limits: dict[str, str], expected: int | None
) -> None:
    machine = allowed_memory(tmp_path)  # no cgroup at all
    for name, said in {**limits, **({"proc/self/cgroup": cgroup} if cgroup else {})}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(said)
    assert allowed_memory(tmp_path) == (expected or machine)
