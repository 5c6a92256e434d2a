"""A depthwise convolution with a stride as the sum of several without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

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

    The columns of all channels are told apart at once, where they are next to each other in memory.
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
    """One phase of one axis: which places of the map it has, which taps meet them, and where the first of those reads."""

    phase: int
    size: int
    tap: int
    first: int


@dataclass(frozen=True)
class _Plan:
    site: Site

    def _axes(self, axis: int) -> list[_Axis]:
        kernel, size = self.site.kernel, self.site.before[2 + axis]
        step, first = kernel.stride[axis], kernel.first[axis]
        found = []
        for phase in range(step):
            tap = (phase - first) % step
            found.append(_Axis(phase, -(-(size - phase) // step), tap, (first + tap - phase) // step))
        return found

    @property
    def pieces(self) -> list[tuple[_Axis, _Axis, Tensor]]:
        """Rows, columns, and the taps that meet them."""
        weight, stride = self.site.kernel.weight, self.site.kernel.stride
        return [
            (down, across, weight[:, :, down.tap :: stride[0], across.tap :: stride[1]])
            for down, across in product(self._axes(0), self._axes(1))
        ]

    def _small(self, down: _Axis, across: _Axis, taps: Tensor) -> Tensor | None:
        """The taps as 3 x 3 about each place, if the runtime's own kernel can compute them so."""
        if (down.size, across.size) != self.site.after[2:]:
            return None
        begin = down.first + 1, across.first + 1
        rows, columns = taps.shape[2:]
        if min(begin) < 0 or begin[0] + rows > _SIDE or begin[1] + columns > _SIDE:
            return None
        whole = taps.new_zeros(taps.shape[0], 1, _SIDE, _SIDE)
        whole[:, :, begin[0] : begin[0] + rows, begin[1] : begin[1] + columns] = taps
        return whole

    def _tiles(self, down: _Axis, across: _Axis, taps: Tensor) -> Tiles:
        batch, channels = self.site.before[:2]
        return Tiles(
            taps, (down.first, across.first), (batch, channels, down.size, across.size), self.site.after
        )

    @property
    def numbers(self) -> int:
        return sum(
            self._tiles(*piece).numbers if self._small(*piece) is None else piece[2].shape[0] * _SIDE * _SIDE
            for piece in self.pieces
        )

    @property
    def operators(self) -> int:
        small = [self._small(*piece) is not None for piece in self.pieces]
        return 3 + sum(4 if one else self._tiles(*piece).operators for one, piece in zip(small, self.pieces))

    @property
    def zeros(self) -> Shapes:
        found: set[tuple[int, ...]] = {(*self.site.before[:3], self._missing)} if self._missing else set()
        for piece in self.pieces:
            found |= set() if self._small(*piece) is not None else self._tiles(*piece).zeros
        return frozenset(found)

    @property
    def _missing(self) -> int:
        """Columns that the last phases have not."""
        return -self.site.before[3] % self.site.kernel.stride[1]

    @property
    def instructions(self) -> float:
        _, _, height, width = self.site.before
        rows, columns = self.site.after[2:]
        total = 2.75 * height * width + (costs.put_beside(height, width) if self._missing else 0)
        for piece in self.pieces:
            total += costs.cut(piece[0].size, piece[1].size) - 40 * piece[0].size
            small = costs.small(rows, columns, padded=True)
            total += self._tiles(*piece).instructions if self._small(*piece) is None else small
        return total

    def write(self, rewriter: Rewriter) -> fx.Node:
        layer = self.site.layer
        columns = self._columns(rewriter)
        total: fx.Node | None = None
        for down, across, taps in self.pieces:
            read = columns[across.phase]
            if read.meta["val"].shape[3] != across.size:
                read = rewriter.call(aten.slice.Tensor, read, 3, 0, across.size)
            if self.site.kernel.stride[0] > 1:
                read = rewriter.call(
                    aten.slice.Tensor, read, 2, down.phase, self.site.before[2], self.site.kernel.stride[0]
                )
            bias = layer.bias if total is None else None
            small = self._small(down, across, taps)
            if small is None:
                part = self._tiles(down, across, taps).write(rewriter, read, bias, layer.node)
            else:
                constants = (
                    rewriter.new_constant(small, layer.node),
                    None if bias is None else rewriter.new_constant(bias, layer.node),
                )
                part = rewriter.call(
                    aten.conv2d.default, read, *constants, [1, 1], [1, 1], [1, 1], layer.groups
                )
            total = part if total is None else rewriter.call(aten.add.Tensor, total, part)
        assert total is not None
        return total

    def _columns(self, rewriter: Rewriter) -> list[fx.Node]:
        """The map's columns of each phase, with zeros where the last has none."""
        batch, channels, height, width = self.site.before
        step, read = self.site.kernel.stride[1], self.site.source
        if step == 1:
            return [read]
        many = -(-width // step)
        if self._missing:
            zeros = rewriter.zeros([batch, channels, height, self._missing], self.site.layer.node)
            read = rewriter.call(aten.cat.default, [read, zeros], 3)
        flat = rewriter.call(aten.reshape.default, read, [batch * channels * height * many, step])
        turned = rewriter.call(aten.permute.default, flat, [1, 0])
        found = []
        for phase in range(step):
            part = rewriter.call(aten.slice.Tensor, turned, 0, phase, phase + 1)
            found.append(rewriter.call(aten.reshape.default, part, [batch, channels, height, many]))
        return found
