"""What whole numbers leave over when they are divided, by the division itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["remainder_by_floor", "remainder_by_trunc"]


def remainder_by_floor(self: Tensor, other: Tensor | float) -> Any:
    """x - floor(x / y) y, which has the sign of y"""
    if not _are_whole(self, other):
        return NotImplemented
    return self - torch.floor_divide(self, other) * other


def remainder_by_trunc(self: Tensor, other: Tensor | float) -> Any:
    """x - trunc(x / y) y, which has the sign of x"""
    if not _are_whole(self, other):
        return NotImplemented
    return self - torch.div(self, other, rounding_mode="trunc") * other


def _are_whole(*numbers: Tensor | float) -> bool:
    kinds = [item.dtype if isinstance(item, Tensor) else type(item) for item in numbers]
    return all(kind in (torch.int32, torch.int64, int) for kind in kinds)
