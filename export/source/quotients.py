"""Quotients of whole numbers."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["truncated"]


def truncated(x: Tensor, y: Tensor | int) -> Tensor:
    """x / y rounded to the side of zero, by what is left of the quotient that is rounded down: torch's own ends the process where
    the least number is divided by -1, and that is what an infinite number becomes as a whole one."""
    quotient = torch.floor_divide(x, y)
    is_between = (x - quotient * y != 0) & ((x < 0) != (y < 0))
    return quotient + is_between
