"""Numbers made of many."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._table import defines

aten = torch.ops.aten


@defines(aten.any.default, aten.any.dim, aten.any.dims)
def any_of(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether one is true; of numbers, not 0."""
    if self.dtype is torch.bool:
        return NotImplemented
    return torch.any(self != 0) if dim is None else torch.any(self != 0, dim, keepdim)


@defines(aten.all.default, aten.all.dim, aten.all.dims)
def all_of(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether all are true; of numbers, not 0."""
    if self.dtype is torch.bool:
        return NotImplemented
    return torch.all(self != 0) if dim is None else torch.all(self != 0, dim, keepdim)


@defines(aten.prod.default, aten.prod.dim_int)
def prod(
    self: Tensor, dim: int | None = None, keepdim: bool = False, dtype: torch.dtype | None = None
) -> Tensor:
    """The first half times the second, until one is left."""
    x, axis = (self.reshape(-1), 0) if dim is None else (self, dim)
    if dtype is not None and x.dtype != dtype:
        x = x.to(dtype)
    elif not x.is_floating_point():
        x = x.to(torch.int64)
    while x.shape[axis] > 1:
        half, rest = divmod(x.shape[axis], 2)
        product = x.narrow(axis, 0, half) * x.narrow(axis, half, half)
        x = torch.cat([product, x.narrow(axis, 2 * half, 1)], axis) if rest else product
    return x if keepdim else x.squeeze(axis)


@defines(aten.cumprod.default)
def cumprod(self: Tensor, dim: int, dtype: torch.dtype | None) -> Any:
    """y_n for y_0 = x, y_k+1[i] = y_k[i] y_k[i - 2**k]: by doubling, after k steps each place holds the product of the last 2**k
    up to it."""
    if dtype not in (None, self.dtype) or not self.ndim:
        return NotImplemented
    length, step, x = self.shape[dim], 1, self.clone()
    while step < length:
        before = x.narrow(dim, 0, length - step)
        x = torch.cat([x.narrow(dim, 0, step), x.narrow(dim, step, length - step) * before], dim)
        step *= 2
    return x


@defines(aten.nanmean.default)
def nanmean(self: Tensor, dim: list[int] | None, keepdim: bool, **_: object) -> Tensor:
    """The mean of what is a number."""
    is_number = self == self
    axes = dim or list(range(self.ndim))
    total = torch.where(is_number, self, 0.0).sum(axes, keepdim)
    return total / is_number.to(self.dtype).sum(axes, keepdim)


@defines(aten.amax.default)
def amax(self: Tensor, dim: list[int], keepdim: bool) -> Any:
    """Of truths, whether one is."""
    if self.dtype is not torch.bool or not self.ndim:
        return NotImplemented
    return torch.amax(self.to(torch.int32), dim or list(range(self.ndim)), keepdim) > 0


@defines(aten.amin.default)
def amin(self: Tensor, dim: list[int], keepdim: bool) -> Any:
    """Of truths, whether all are."""
    if self.dtype is not torch.bool or not self.ndim:
        return NotImplemented
    return torch.amin(self.to(torch.int32), dim or list(range(self.ndim)), keepdim) > 0


@defines(aten.aminmax.default)
def aminmax(self: Tensor, dim: int | None, keepdim: bool) -> list[Tensor]:
    """The least and the largest."""
    axes = list(range(self.ndim)) if dim is None else [dim]
    return [torch.amin(self, axes, keepdim), torch.amax(self, axes, keepdim)]


@defines(aten.mse_loss.default)
def mse_loss(self: Tensor, target: Tensor, reduction: int) -> Tensor:
    """(x - y)^2, each, their mean or their sum"""
    squares = (self - target).square()
    return (squares, squares.mean(), squares.sum())[reduction]
