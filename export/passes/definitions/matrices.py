"""Small matrices, by the formulas for two and three rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._table import defines

aten = torch.ops.aten


@defines(aten.det.default, aten.linalg_det.default)
def determinant(**matrix: Tensor) -> Any:
    """a d - b c; of three rows along the first"""
    (x,) = matrix.values()
    return _determinant(x) if x.shape[-1] <= 3 else NotImplemented


@defines(aten.logdet.default)
def log_determinant(self: Tensor) -> Any:
    """log det(x)"""
    return _determinant(self).log() if self.shape[-1] <= 3 else NotImplemented


@defines(aten.slogdet.default, aten.linalg_slogdet.default)
def sign_and_log_determinant(**matrix: Tensor) -> Any:
    """sign(det(x)) and log |det(x)|"""
    (x,) = matrix.values()
    if x.shape[-1] > 3:
        return NotImplemented
    found = _determinant(x)
    return [found.sign(), found.abs().log()]


@defines(aten.inverse.default, aten.linalg_inv.default)
def inverse(**matrix: Tensor) -> Any:
    """The adjugate over the determinant"""
    (x,) = matrix.values()
    if x.shape[-1] > 3:
        return NotImplemented
    return _adjugate(x) / _determinant(x).unsqueeze(-1).unsqueeze(-1)


@defines(aten.linalg_solve.default)
def solve(A: Tensor, B: Tensor, left: bool) -> Any:
    """x^-1 y, or y x^-1"""
    if A.shape[-1] > 3:
        return NotImplemented
    is_vector = B.ndim == 1 or B.shape == A.shape[:-1]
    columns = B.unsqueeze(-1) if is_vector else B
    scale = _determinant(A).unsqueeze(-1).unsqueeze(-1)
    found = (_adjugate(A) @ columns if left else columns @ _adjugate(A)) / scale
    return found.squeeze(-1) if is_vector else found


def _entries(x: Tensor) -> list[list[Tensor]]:
    size = x.shape[-1]
    return [[x[..., row, column] for column in range(size)] for row in range(size)]


def _determinant(x: Tensor) -> Tensor:
    entries = _entries(x)
    if len(entries) == 1:
        return entries[0][0]
    if len(entries) == 2:
        (a, b), (c, d) = entries
        return a * d - b * c
    first, second, third = (entries[0][place] * _minor(entries, 0, place) for place in range(3))
    return first - second + third


def _minor(entries: list[list[Tensor]], row: int, column: int) -> Tensor:
    """Of three rows: the determinant of what is left without one, and without a column."""
    (a, b), (c, d) = (
        [item for place, item in enumerate(line) if place != column]
        for number, line in enumerate(entries)
        if number != row
    )
    return a * d - b * c


def _adjugate(x: Tensor) -> Tensor:
    entries = _entries(x)
    if len(entries) == 1:
        return torch.full(x.shape, 1.0, dtype=x.dtype)
    if len(entries) == 2:
        (a, b), (c, d) = entries
        return _matrix([[d, -b], [-c, a]])
    signed = [
        [_minor(entries, row, column) * (1 if (row + column) % 2 == 0 else -1) for row in range(3)]
        for column in range(3)
    ]
    return _matrix(signed)


def _matrix(entries: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(line, -1) for line in entries], -2)


@defines(aten.vander.default)
def vander(x: Tensor, N: int | None, increasing: bool) -> Tensor:
    """A column for each power, the highest first unless they increase."""
    count = x.shape[0] if N is None else N
    columns = [torch.ones_like(x)]
    while len(columns) < count:
        columns.append(columns[-1] * x)
    return torch.stack(columns if increasing else columns[::-1], 1)[:, :count]
