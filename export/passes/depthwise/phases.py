"""A depthwise convolution with a stride as the sum of several without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, fx

from ..rewriter import Rewriter
from . import costs
from .site import Offer, Shapes, Site
from .tiles import Tiles

__all__ = ["offer_phases"]

aten = torch.ops.aten

_SIDE = 3  # taps that the runtime's own kernel has


def offer_phases(site: Site) -> Iterator[Offer]:
    """conv(x, w, stride s) = sum over p < s and q < s of conv(x[p::s, q::s], w[p'::s, q'::s]), where p' and q' are the first taps
    that meet these rows and columns.

    The columns of all channels are told apart at once, where they are next to each other in memory, and are channels then; a
    convolution without a stride computes all phases of the columns for one of the rows.
    """
    kernel = site.kernel
    if site.filters != 1 or kernel.dilation != (1, 1) or kernel.stride == (1, 1):
        return
    if any(taps < step for taps, step in zip(kernel.taps, kernel.stride, strict=True)):
        return  # rows that nothing reads
    plan = _Plan(site)
    yield Offer(plan.instructions, plan.numbers, plan.operators, plan.write, plan.zeros)


@dataclass(frozen=True)
class _Axis:
    """One phase of one axis: which places of the map it has, and which taps meet them, the first of which reads ``first``."""

    phase: int
    size: int
    taps: slice
    first: int

    def count(self, taps: int) -> int:
        return len(range(taps)[self.taps])


@dataclass(frozen=True)
class _Piece:
    """What one phase of the rows gives: ``tiles`` are the taps of all phases of the columns, a channel for each."""

    rows: _Axis
    tiles: Tiles

    @cached_property
    def small(self) -> Tensor | None:
        """The taps as 3 x 3 about each place, if the runtime's own kernel can compute them so."""
        weight, first = self.tiles.weight, self.tiles.first
        begin = first[0] + 1, first[1] + 1
        rows, columns = weight.shape[2:]
        if self.tiles.before[2:] != self.tiles.after[2:] or min(begin) < 0:
            return None
        if begin[0] + rows > _SIDE or begin[1] + columns > _SIDE:
            return None
        whole = weight.new_zeros(weight.shape[0], 1, _SIDE, _SIDE)
        whole[:, :, begin[0] : begin[0] + rows, begin[1] : begin[1] + columns] = weight
        return whole


@dataclass(frozen=True)
class _Plan:
    site: Site

    def _axes(self, axis: int) -> list[_Axis]:
        kernel, size = self.site.kernel, self.site.before[2 + axis]
        step, first = kernel.stride[axis], kernel.first[axis]
        found = []
        for phase in range(step):
            tap = (phase - first) % step
            found.append(
                _Axis(
                    phase, -(-(size - phase) // step), slice(tap, None, step), (first + tap - phase) // step
                )
            )
        return found

    @property
    def _step(self) -> int:
        return self.site.kernel.stride[1]

    @property
    def _missing(self) -> int:
        """Columns that the last phases have not."""
        return -self.site.before[3] % self._step

    @cached_property
    def pieces(self) -> list[_Piece]:
        weight, across = self.site.kernel.weight, self._axes(1)
        taps = weight.shape[3]
        first = min(axis.first for axis in across)
        wide = max(axis.first + axis.count(taps) for axis in across) - first
        found = []
        for rows in self._axes(0):
            of_rows = weight[:, :, rows.taps]
            whole = weight.new_zeros(self._step, *of_rows.shape[:3], wide)
            for axis in across:
                begin = axis.first - first
                whole[axis.phase, ..., begin : begin + axis.count(taps)] = of_rows[..., axis.taps]
            batch, channels, _, width = self.site.before
            channels *= self._step
            tiles = Tiles(
                whole.flatten(0, 1),
                (rows.first, first),
                (batch, channels, rows.size, -(-width // self._step)),
                (batch, channels, *self.site.after[2:]),
            )
            found.append(_Piece(rows, tiles))
        return found

    @property
    def numbers(self) -> int:
        return sum(
            piece.tiles.numbers if piece.small is None else piece.small.numel() for piece in self.pieces
        )

    @property
    def operators(self) -> int:
        each = [piece.tiles.operators + 1 if piece.small is None else 2 for piece in self.pieces]
        return 3 + sum(each) + len(each) - 1 + 2 * (self._step - 1)

    @property
    def zeros(self) -> Shapes:
        found: set[tuple[int, ...]] = {(*self.site.before[:3], self._missing)} if self._missing else set()
        for piece in self.pieces:
            found |= set() if piece.small is not None else piece.tiles.zeros
        return frozenset(found)

    @property
    def instructions(self) -> float:
        _, _, height, width = self.site.before
        rows, columns = self.site.after[2:]
        total = costs.put_beside(height, width) if self._missing else 0.0
        total += costs.turned(height * width) + 1.1 * height * width
        for piece in self.pieces:
            each = (
                costs.small(rows, columns, padded=True)
                if piece.small is not None
                else piece.tiles.instructions
            )
            total += self._step * (
                each + costs.cut(piece.rows.size, -(-width // self._step)) + costs.between(rows * columns)
            )
        return total + self._step * (costs.copied(rows * columns) + costs.between(rows * columns))

    def write(self, rewriter: Rewriter) -> fx.Node:
        layer, like = self.site.layer, self.site.layer.node
        read, total = self._columns(rewriter), None
        for piece in self.pieces:
            part = read
            if len(self.pieces) > 1:
                part = rewriter.call(
                    aten.slice.Tensor, read, 2, piece.rows.phase, self.site.before[2], len(self.pieces)
                )
            bias = None
            if total is None and layer.bias is not None:  # the first phase of the columns adds it
                bias = torch.cat([layer.bias, layer.bias.new_zeros(len(layer.bias) * (self._step - 1))])
            if piece.small is None:
                part = piece.tiles.write(rewriter, part, bias, like)
            else:
                weight = rewriter.new_constant(piece.small, like)
                added = None if bias is None else rewriter.new_constant(bias, like)
                part = rewriter.call(
                    aten.conv2d.default, part, weight, added, [1, 1], [1, 1], [1, 1], len(piece.small)
                )
            total = part if total is None else rewriter.call(aten.add.Tensor, total, part)
        assert total is not None
        return self._sum(rewriter, total)

    def _columns(self, rewriter: Rewriter) -> fx.Node:
        """The map with a channel for each phase of its columns, of all channels the first phase first; zeros where the last phases
        have no column."""
        batch, channels, height, width = self.site.before
        read = self.site.source
        if self._step == 1:
            return read
        for shape in [(batch, channels, height, self._missing)] if self._missing else []:
            zeros = rewriter.zeros(shape, self.site.layer.node)
            read = rewriter.call(aten.cat.default, [read, zeros], 3)
        many = -(-width // self._step)
        pairs = rewriter.call(aten.reshape.default, read, [batch, channels * height * many, self._step])
        turned = rewriter.call(aten.permute.default, pairs, [0, 2, 1])
        return rewriter.call(aten.reshape.default, turned, [batch, self._step * channels, height, many])

    def _sum(self, rewriter: Rewriter, value: fx.Node) -> fx.Node:
        """Over the phases of the columns."""
        channels = self.site.before[1]
        if self._step == 1:
            return value
        parts = [
            rewriter.call(aten.slice.Tensor, value, 1, phase * channels, (phase + 1) * channels)
            for phase in range(self._step)
        ]
        total = parts[0]
        for part in parts[1:]:
            total = rewriter.call(aten.add.Tensor, total, part)
        return total
