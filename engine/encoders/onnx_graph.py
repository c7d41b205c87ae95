"""A tower as ONNX Runtime runs it: the same numbers in little more than half the time, on a CPU.

The graph is made of the tower once, which takes some ten seconds, and kept in a file that is named after the
weights. Both need the extra `onnx`; without it torch runs the tower, as it does on a GPU.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from engine.files import write_whole

Tower: TypeAlias = Callable[[Tensor], tuple[Tensor, ...]]
log = logging.getLogger("crosslight")


def fastest(tower: nn.Module, example: Tensor, kept: Path) -> Tower:
    """Return what runs a tower on batches like `example`, (n, ...): its graph, or itself if there is none."""
    if not all(map(find_spec, ("onnx", "onnxruntime", "onnxscript"))):
        return tower
    with suppress(Exception):  # of many types, for a file that is missing, cut, or of another version
        return _running(kept.read_bytes())
    try:
        graph = _made(tower, example)
        with suppress(OSError):  # a cache on a full or read-only disk still encodes
            write_whole(kept, graph)
        return _running(graph)
    # The exporter raises many types for what it cannot read; torch can.
    except Exception as error:
        log.warning("no graph could be made of the tower, so torch runs it, at half the rate: %s", error)
        return tower


def _made(tower: nn.Module, example: Tensor) -> bytes:
    """Export a tower for batches of any size."""
    batch = torch.export.Dim("n")
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter's own
        program = torch.onnx.export(
            tower, (example,), dynamic_shapes=({0: batch},), dynamo=True, verbose=False
        )
    assert program is not None, "nothing was to be written to a file"
    graph: bytes = program.model_proto.SerializeToString()
    return graph


def _running(graph: bytes) -> Tower:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # idle threads leave the processor
    session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(batch: Tensor) -> tuple[Tensor, ...]:
        return tuple(map(torch.from_numpy, session.run(None, {name: batch.numpy()})))

    return run
