"""A depthwise convolution as the sum of several of 3 x 3 taps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from ..rewriter import Rewriter
from . import costs
from .site import Offer, Shapes, Site

__all__ = ["Tiles", "offer_tiles"]

aten = torch.ops.aten

_SIDE = 3  # taps of a tile
_LANES = 4  # columns that are computed at once


def offer_tiles(site: Site) -> Iterator[Offer]:
    """conv(x, w) = sum over tiles of 3 x 3 taps of conv(x, w[tile]); what a tile has no tap for is zero.

    ONNX Runtime has a kernel for 3 x 3 taps of stride 1 that borders pad by 1 at most. Here nothing is: between the rows of the map
    lie columns of zeros, as many as the taps reach beyond it, so that what a tile reads is one piece of memory, without a copy of each
    row.
    """
    kernel = site.kernel
    if site.filters != 1 or kernel.stride != (1, 1) or kernel.dilation != (1, 1) or max(kernel.taps) <= _SIDE:
        return
    tiles = Tiles(kernel.weight, kernel.first, site.before, site.after)
    layer = site.layer
    yield Offer(
        tiles.instructions,
        tiles.numbers,
        tiles.operators,
        lambda rewriter: tiles.write(rewriter, site.source, layer.bias, layer.node),
        tiles.zeros,
    )


@dataclass(frozen=True)
class Tiles:
    """y[i, j] = sum over r, u of weight[r, u] x[i + first[0] + r, j + first[1] + u]: ``weight`` (channels, 1, rows, columns) of a
    map of the shape ``before`` for one of the shape ``after``."""

    weight: Tensor
    first: tuple[int, ...]
    before: tuple[int, int, int, int]
    after: tuple[int, int, int, int]

    @property
    def counts(self) -> tuple[int, int]:
        """Tiles from top to bottom and from left to right."""
        rows, columns = self.weight.shape[2:]
        return -(-rows // _SIDE), -(-columns // _SIDE)

    @property
    def wide(self) -> int:
        """Of a row with its zeros: as the taps need it, or a little wider, where that leaves no columns over."""
        width, columns, taps = self.before[3], self.after[3], self.weight.shape[3]
        left, right = -self.first[1], columns + self.first[1] + taps - 1 - width
        least = max(width + max(left, right, 0), columns + _SIDE - 1)
        rows = self.after[2]
        widths = range(least, least + _LANES)
        return min(widths, key=lambda wide: self._cost(rows, wide))

    def _cost(self, rows: int, wide: int) -> float:
        columns = wide - _SIDE + 1
        across = self.counts[0] * self.counts[1]
        crop = 0.0 if columns == self.after[3] else costs.cut(rows, self.after[3])
        return across * (costs.small(rows, columns, padded=False) + costs.copied((rows + 2) * wide)) + crop

    @property
    def numbers(self) -> int:
        return self.weight.shape[0] * _SIDE * _SIDE * self.counts[0] * self.counts[1]

    @property
    def operators(self) -> int:
        return 4 + 4 * self.counts[0] * self.counts[1]

    @property
    def zeros(self) -> Shapes:
        """What is put between the rows."""
        gap = self.wide - self.before[3]
        return frozenset([(*self.before[:3], gap)] if gap else [])

    @property
    def instructions(self) -> float:
        height, rows, wide = self.before[2], self.after[2], self.wide
        gap = 0.0 if wide == self.before[3] else costs.put_beside(height, wide)
        return gap + costs.flat_padded((rows + 2 + _SIDE * self.counts[0]) * wide) + self._cost(rows, wide)

    def write(self, rewriter: Rewriter, source: fx.Node, bias: Tensor | None, like: fx.Node) -> fx.Node:
        """The sum, at the rewriter's place; the bias is added by the first."""
        batch, channels, height = self.before[:3]
        rows, wide = self.after[2], self.wide
        for shape in self.zeros:
            source = rewriter.call(aten.cat.default, [source, rewriter.zeros(shape, like)], 3)
        flat = rewriter.call(aten.reshape.default, source, [batch, channels, height * wide])
        down, across = self.counts
        begin = self.first[0] * wide + self.first[1]
        end = begin + _SIDE * (down - 1) * wide + _SIDE * (across - 1) + (rows + 2) * wide
        above, below = max(-begin, 0), max(end - height * wide, 0)
        if above or below:
            flat = rewriter.call(aten.constant_pad_nd.default, flat, [above, below], 0.0)
        total: fx.Node | None = None
        for row in range(down):
            for column in range(across):
                start = begin + above + _SIDE * (row * wide + column)
                read = rewriter.call(aten.slice.Tensor, flat, 2, start, start + (rows + 2) * wide)
                read = rewriter.call(aten.reshape.default, read, [batch, channels, rows + 2, wide])
                tile = rewriter.new_constant(self._tile(row, column), like)
                added = None if bias is None or total is not None else rewriter.new_constant(bias, like)
                part = rewriter.call(aten.conv2d.default, read, tile, added, [1, 1], [0, 0], [1, 1], channels)
                total = part if total is None else rewriter.call(aten.add.Tensor, total, part)
        assert total is not None
        columns = self.after[3]
        return total if wide - 2 == columns else rewriter.call(aten.slice.Tensor, total, 3, 0, columns)

    def _tile(self, row: int, column: int) -> Tensor:
        found = self.weight[:, :, _SIDE * row : _SIDE * (row + 1), _SIDE * column : _SIDE * (column + 1)]
        tile = self.weight.new_zeros(self.weight.shape[0], 1, _SIDE, _SIDE)
        tile[:, :, : found.shape[2], : found.shape[3]] = found
        return tile
