"""ONNX Runtime gives what torch gives, and whatever is wrong with its graph, pictures are encoded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.encoders.onnx_graph import fastest

for library in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(library)


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
        return super().forward(batch * float(batch.numpy().mean() > 0))


def batch(count: int) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(count))


def same(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> bool:
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


def test_a_graph_gives_what_the_tower_gives_and_is_kept(tmp_path: Path) -> None:
    tower, kept = Tower().eval(), tmp_path / "tower.onnx"
    with torch.inference_mode():
        graph = fastest(tower, batch(2), kept)
        assert graph is not tower
        for count in (1, 2, 5):
            assert same(graph(batch(count)), tower(batch(count)))
        made = kept.stat().st_mtime_ns
        assert same(fastest(Odd(), batch(2), kept)(batch(3)), tower(batch(3))), "what is kept is used"
        assert kept.stat().st_mtime_ns == made


def test_a_graph_that_was_cut_is_made_again(tmp_path: Path) -> None:
    tower, kept = Tower().eval(), tmp_path / "tower.onnx"
    kept.write_bytes(b"cut")
    with torch.inference_mode():
        assert same(fastest(tower, batch(2), kept)(batch(3)), tower(batch(3)))
    assert len(kept.read_bytes()) > 100


def test_a_full_disk_keeps_no_graph_and_a_strange_tower_needs_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tower, nowhere = Tower().eval(), tmp_path / "file" / "tower.onnx"
    (tmp_path / "file").write_text("no folder")
    with torch.inference_mode():
        assert same(fastest(tower, batch(2), nowhere)(batch(3)), tower(batch(3)))
        odd = Odd().eval()
        assert fastest(odd, batch(2), tmp_path / "odd.onnx") is odd
    assert "torch runs it" in caplog.text
