"""Modules of torch as ONNX Runtime runs them: the same numbers in half the time, on a CPU, without torch.

A graph is made of a module once, which takes some ten seconds, and kept in a file.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from engine.files import write_whole

if TYPE_CHECKING:
    from torch import nn

Array: TypeAlias = npt.NDArray[Any]
Run: TypeAlias = Callable[..., tuple[Array, ...]]  # arrays to arrays
log = logging.getLogger("crosslight")


@dataclass(frozen=True, slots=True)
class Example:
    """What a module is given, and by what name each axis goes that may be of any length, for each input."""

    inputs: Sequence[Array]
    axes: Sequence[Mapping[int, str]]


def kept_graph(name: Path) -> Run | None:
    """Return what runs the graph that is kept under a name, none where it cannot be had or was damaged.

    Its file is NAME.DIGEST.onnx, by the SHA-256 of what is in it.
    """
    for path in name.parent.glob(f"{name.name}.*.onnx"):
        with suppress(Exception):  # of many types, for a file that is gone, or of another version
            if path.name == _file_name(name, path.read_bytes()):
                return _running(path)
    return None


def make_graph(module: nn.Module, example: Example, name: Path) -> None:
    """Make the graph of a module and keep it under a name PART-DIGEST, in place of one of other weights.

    What cannot be is logged.
    """
    try:
        name.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(name.parent, os.W_OK):
            raise PermissionError(f"{name.parent} may not be written")
        graph = _exported(module, example)
        path = name.with_name(_file_name(name, graph))
        write_whole(path, graph)
        for old in set(name.parent.glob(f"{name.name.rpartition('-')[0]}-*.onnx")) - {path}:
            old.unlink(missing_ok=True)
    # The exporter raises many types for what it cannot read, and a disk may be full; torch needs neither.
    except Exception as error:
        log.warning("no graph of %s can be kept, so torch runs it, at half the rate: %s", name.name, error)


def _file_name(name: Path, graph: bytes) -> str:
    return f"{name.name}.{sha256(graph).hexdigest()[:16]}.onnx"


def by_torch(module: nn.Module, device: str) -> Run:
    """Return what runs a module by torch on a device."""
    import torch

    module.to(device).eval()

    def run(*arrays: Array) -> tuple[Array, ...]:
        with torch.inference_mode():
            found = module(*(torch.from_numpy(array).to(device) for array in arrays))
        return tuple(tensor.cpu().numpy() for tensor in found)

    return run


def _exported(module: nn.Module, example: Example) -> bytes:
    import torch

    named = {name: torch.export.Dim(name) for axes in example.axes for name in axes.values()}
    shapes = tuple({axis: named[name] for axis, name in axes.items()} for axes in example.axes)
    tensors = tuple(map(torch.from_numpy, example.inputs))
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter's own
        program = torch.onnx.export(module, tensors, dynamic_shapes=shapes, dynamo=True, verbose=False)
    assert program is not None, "nothing was to be written to a file"
    graph: bytes = program.model_proto.SerializeToString()
    return graph


def _running(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0").partition(",")[0])
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # idle threads leave the processor
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def run(*arrays: Array) -> tuple[Array, ...]:
        return tuple(session.run(None, dict(zip(names, map(np.ascontiguousarray, arrays), strict=True))))

    return run
