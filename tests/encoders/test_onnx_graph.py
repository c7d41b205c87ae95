"""A graph gives what torch gives, without torch; whatever is wrong with one, there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.encoders.onnx_graph import Array, Example, by_torch, kept_graph, make_graph


class Tower(nn.Module):
    """Two readings of a picture, as small as they can be."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU6())

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        cells = self.stem(batch)
        return cells.permute(0, 2, 3, 1).flatten(1, 2), cells.mean((2, 3))


class Odd(Tower):
    """What no exporter can read."""

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError("odd")


def batch(count: int) -> Array:
    return np.random.default_rng(count).random((count, 3, 16, 16), dtype=np.float32)


EXAMPLE = Example([batch(2)], [{0: "n"}])


def test_a_graph_gives_what_the_module_gives_for_any_count(tmp_path: Path) -> None:
    tower, kept = Tower(), tmp_path / "tower-0"
    assert kept_graph(kept) is None
    make_graph(tower, EXAMPLE, kept)
    graph, torchs = kept_graph(kept), by_torch(tower, "cpu")
    assert graph is not None
    for count in (1, 2, 5):
        for ours, theirs in zip(graph(batch(count)), torchs(batch(count)), strict=True):
            assert np.allclose(ours, theirs, atol=1e-5)


def test_a_graph_is_run_without_torch(tmp_path: Path) -> None:
    kept = tmp_path / "tower-0"
    make_graph(Tower(), EXAMPLE, kept)
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from engine.encoders.onnx_graph import kept_graph\n"
        "made = kept_graph(Path(sys.argv[1]))(np.ones((2, 3, 16, 16), np.float32))\n"
        "assert made[1].shape == (2, 8) and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(kept)], check=True, cwd=Path(__file__).parents[2])


def test_a_graph_that_was_cut_or_changed_is_none_and_made_again(tmp_path: Path) -> None:
    kept = tmp_path / "tower-0"
    make_graph(Tower(), EXAMPLE, kept)
    (file,) = tmp_path.glob("tower-0.*.onnx")
    whole = file.read_bytes()
    for damaged in (whole[:200], bytes([*whole[:-1], whole[-1] ^ 1]), b""):
        file.write_bytes(damaged)
        assert kept_graph(kept) is None
    make_graph(Tower(), EXAMPLE, kept)
    assert kept_graph(kept) is not None


def test_a_graph_of_other_weights_takes_its_place(tmp_path: Path) -> None:
    for name in ("tower-0", "roof-0", "tower-1"):
        make_graph(Tower(), EXAMPLE, tmp_path / name)
    assert kept_graph(tmp_path / "tower-0") is None and len(list(tmp_path.iterdir())) == 2
    assert kept_graph(tmp_path / "tower-1") is not None and kept_graph(tmp_path / "roof-0") is not None


def test_a_full_disk_keeps_no_graph_and_a_strange_module_has_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    nowhere = tmp_path / "file" / "tower-0"
    make_graph(Tower(), EXAMPLE, nowhere)
    make_graph(Odd(), EXAMPLE, tmp_path / "odd-0")
    assert not list(tmp_path.glob("odd*"))
    assert caplog.text.count("torch runs it") == 2
