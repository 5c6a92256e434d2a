"""Whole numbers of 64 bits, where Core ML has 32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.export import ExportedProgram

__all__ = ["end_with_32_bits"]


def end_with_32_bits(program: ExportedProgram) -> None:
    """Make every constant beyond 32 bits the last number that they have. Least and largest numbers stand for what is never
    chosen; coremltools keeps their lower bits, so that the least of 64 bits became zero, and the largest -1."""
    limits = torch.iinfo(torch.int32)
    for held in (program.constants, program.state_dict):
        for name, value in held.items():
            if isinstance(value, Tensor) and value.dtype is torch.int64:
                held[name] = value.clamp(limits.min, limits.max)
