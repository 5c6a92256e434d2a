"""Tensors of one number, in the type that is asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._table import defines

aten = torch.ops.aten


@defines(aten.zeros_like.default)
def zeros_like(self: Tensor, dtype: torch.dtype | None, **_: object) -> Any:
    """0 at each place, where they are not of the operand's own type."""
    return NotImplemented if dtype in (None, self.dtype) else _filled(self.shape, 0, dtype, self)


@defines(aten.ones_like.default)
def ones_like(self: Tensor, dtype: torch.dtype | None, **_: object) -> Tensor:
    """1 at each place"""
    return _filled(self.shape, 1, dtype, self)


@defines(aten.full_like.default)
def full_like(self: Tensor, fill_value: float, dtype: torch.dtype | None, **_: object) -> Tensor:
    """The number at each place."""
    return _filled(self.shape, fill_value, dtype, self)


@defines(aten.new_zeros.default)
def new_zeros(self: Tensor, size: list[int], dtype: torch.dtype | None, **_: object) -> Tensor:
    """0 at each place"""
    return _filled(size, 0, dtype, self)


@defines(aten.new_ones.default)
def new_ones(self: Tensor, size: list[int], dtype: torch.dtype | None, **_: object) -> Tensor:
    """1 at each place"""
    return _filled(size, 1, dtype, self)


@defines(aten.new_full.default)
def new_full(
    self: Tensor, size: list[int], fill_value: float, dtype: torch.dtype | None, **_: object
) -> Tensor:
    """The number at each place."""
    return _filled(size, fill_value, dtype, self)


def _filled(size: Any, value: float, kind: torch.dtype | None, like: Tensor) -> Tensor:
    return torch.full(list(size), value, dtype=kind or like.dtype)
