"""Whole numbers bit by bit, in two's complement, by divisions that are rounded down."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import torch
from torch import Tensor

from ._table import defines

aten = torch.ops.aten
_BITS = 31  # of a number without its sign: formats have 32


@defines(aten.__and__.Tensor, aten.__and__.Scalar, aten.bitwise_and.Tensor, aten.bitwise_and.Scalar)
def and_(self: Tensor, other: Tensor | int) -> Any:
    """Of truths, logical_and; of whole numbers, the bits that both have."""
    if _is_of_truths(self, other):
        return torch.logical_and(self, other)  # type: ignore[arg-type]
    return _both(self, other)


@defines(aten.__or__.Tensor, aten.__or__.Scalar, aten.bitwise_or.Tensor, aten.bitwise_or.Scalar)
def or_(self: Tensor, other: Tensor | int) -> Any:
    """Of truths, logical_or; x less the bits that both have, and y"""
    if _is_of_truths(self, other):
        return torch.logical_or(self, other)  # type: ignore[arg-type]
    both = _both(self, other)
    return both if both is NotImplemented else (self - both) + other


@defines(aten.__xor__.Tensor, aten.__xor__.Scalar, aten.bitwise_xor.Tensor, aten.bitwise_xor.Scalar)
def xor(self: Tensor, other: Tensor | int) -> Any:
    """Of truths, logical_xor; x and y, each less the bits that both have"""
    if _is_of_truths(self, other):
        return torch.logical_xor(self, other)  # type: ignore[arg-type]
    both = _both(self, other)
    return both if both is NotImplemented else (self - both) + (other - both)


@defines(aten.__lshift__.Scalar, aten.bitwise_left_shift.Tensor_Scalar)
def left_shift(self: Tensor, other: int) -> Tensor:
    """x 2^n"""
    return self * (1 << other)


@defines(aten.__rshift__.Scalar, aten.bitwise_right_shift.Tensor_Scalar)
def right_shift(self: Tensor, other: int) -> Tensor:
    """x / 2^n, rounded down"""
    return torch.floor_divide(self, 1 << other)


def _is_of_truths(x: Tensor, y: Tensor | int) -> bool:
    return all(isinstance(item, Tensor) and item.dtype is torch.bool for item in (x, y))


def _both(x: Tensor, y: Tensor | int) -> Any:
    """The bits that both have; the other one is a number that 32 bits hold."""
    if x.dtype is torch.bool or isinstance(y, bool):
        return NotImplemented
    is_held = isinstance(y, int) and -(2**_BITS) <= y < 2**_BITS
    return _with_number(x, y) if is_held else NotImplemented  # type: ignore[arg-type]


def _with_number(x: Tensor, number: int) -> Tensor:
    """The bits below the end of each run of ones, without those below its begin; the last one of a negative number has no
    end."""
    bits = [number >> place & 1 for place in range(number.bit_length() + 1)]
    edges = [place for place, bit in enumerate(bits) if bit != (bits[place - 1] if place else 0)]
    parts = []
    for begin, end in itertools.zip_longest(edges[::2], edges[1::2]):
        above = torch.floor_divide(x, 1 << begin) if begin else x
        part = above if end is None else torch.remainder(above, 1 << end - begin)
        parts.append(part * (1 << begin) if begin else part)
    return functools.reduce(torch.add, parts) if parts else x * 0
