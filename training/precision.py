"""The precision of products in training: bfloat16 where the processor multiplies it, float32 elsewhere.

Without its instructions bfloat16 is emulated, and takes ten times as long as float32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def has_bfloat16() -> bool:
    """Say whether this processor has instructions for products of bfloat16."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def products() -> AbstractContextManager[object]:
    """Make what is in its block multiply in the faster precision."""
    return torch.autocast("cpu", dtype=torch.bfloat16) if has_bfloat16() else nullcontext()


def narrow(activations: torch.Tensor) -> torch.Tensor:
    """Give kept activations the type that products are made in."""
    return activations.bfloat16() if has_bfloat16() else activations.float()
