"""A depthwise convolution as the product of each channel's rows with a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, fx

from ..kernels import Kernel
from ..rewriter import Rewriter
from . import costs
from .site import Offer, Site

__all__ = ["offer_products"]

aten = torch.ops.aten

_FEWEST = 3  # columns computed by one matrix: of fewer, laying out what it is multiplied by costs more than it saves


def offer_products(site: Site) -> Iterator[Offer]:
    """y[j, i] = sum over r, u of m[j, r, u] x[i s + r, u], where m[j, r, u] = w[r, u - j s] is zero where that is no tap.

    A row of the result needs some whole rows of the map, which lie one after the other in memory: ONNX Runtime multiplies there
    without copying them, by a kernel that is as wide as the map. For a stride, as many rows are taken for one. The columns may be
    computed in blocks, which takes smaller matrices and copies. The result comes with its columns first, and is turned.
    """
    columns = site.after[3]
    if site.kernel.dilation[0] != 1:
        return
    sizes = sorted(
        {-(-columns // count) for count in range(1, columns // _FEWEST + 1)} | {columns}, reverse=True
    )
    for size in sizes:
        plan = _Plan(site, size)
        yield Offer(plan.instructions, plan.numbers, plan.operators, plan.write)


@dataclass(frozen=True)
class _Block:
    """Columns ``start`` to ``stop`` of the result, made of the columns ``first`` to ``last`` of the map."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    @property
    def wide(self) -> int:
        return self.last - self.first


@dataclass(frozen=True)
class _Plan:
    site: Site
    size: int

    @property
    def blocks(self) -> list[_Block]:
        kernel, columns, width = self.site.kernel, self.site.after[3], self.site.before[3]
        step, left = kernel.stride[1], kernel.first[1]
        reach = (kernel.taps[1] - 1) * kernel.dilation[1]
        starts = [*range(0, columns, self.size), columns]
        return [
            _Block(start, stop, max(start * step + left, 0), min((stop - 1) * step + left + reach + 1, width))
            for start, stop in pairwise(starts)
        ]

    @property
    def long(self) -> int:
        """Rows of the kernel, of as many of the map as the stride."""
        return -(-self.site.kernel.taps[0] // self.site.kernel.stride[0])

    @property
    def rows(self) -> int:
        """Of the padded map."""
        return self.site.kernel.stride[0] * (self.site.after[2] + self.long - 1)

    def _form(self, block: _Block) -> tuple[int, int, int]:
        """What its matrix depends on besides the kernel: the columns of both, and where the first tap of the first reads."""
        kernel = self.site.kernel
        return block.size, block.wide, block.start * kernel.stride[1] + kernel.first[1] - block.first

    @property
    def numbers(self) -> int:
        step = self.site.kernel.stride[0]
        forms = {self._form(block) for block in self.blocks}
        return sum(size * self.long * step * wide for size, wide, _ in forms) * self.site.after[1]

    @property
    def operators(self) -> int:
        return 5 + 4 * len(self.blocks)

    @property
    def instructions(self) -> float:
        rows, columns = self.site.after[2:]
        step, width = self.site.kernel.stride[0], self.site.before[3]
        total = costs.flat_padded(self.rows * width) + costs.turned(rows * columns * self.site.filters)
        for block in self.blocks:
            total += costs.products(block.size * self.site.filters, self.long * step * block.wide, rows)
            if block.wide != width:
                total += costs.cut(self.rows, block.wide)
            if len(self.blocks) > 1:
                total += costs.copied(block.size * rows * self.site.filters)
        return total

    def write(self, rewriter: Rewriter) -> fx.Node:
        site = self.site
        batch, channels, height, width = site.before
        _, outputs, rows, _ = site.after
        step = site.kernel.stride[0]
        above = -site.kernel.first[0]
        below = self.rows - above - height
        # As one row, which ONNX Runtime does not make a convolution's padding: the kernel is fast without one alone.
        flat = rewriter.call(aten.reshape.default, site.source, [batch, channels, height * width])
        flat = rewriter.call(aten.constant_pad_nd.default, flat, [above * width, below * width], 0.0)
        padded = rewriter.call(aten.reshape.default, flat, [batch, channels, self.rows, width])
        constants: dict[tuple[int, int, int], tuple[fx.Node, fx.Node | None]] = {}
        made = []
        for block in self.blocks:
            form = self._form(block)
            if form not in constants:
                constants[form] = self._constants(rewriter, *form)
            size, wide, _ = form
            read = padded
            if wide != width:
                read = rewriter.call(aten.slice.Tensor, padded, 3, block.first, block.last)
            read = rewriter.call(
                aten.reshape.default, read, [batch, channels, self.rows // step, step * wide]
            )
            found = rewriter.call(
                aten.conv2d.default, read, *constants[form], [1, 1], [0, 0], [1, 1], site.layer.groups
            )
            made.append(rewriter.call(aten.reshape.default, found, [batch, outputs, size, rows]))
        whole = made[0] if len(made) == 1 else rewriter.call(aten.cat.default, made, 2)
        return rewriter.call(aten.permute.default, whole, [0, 1, 3, 2])

    def _constants(
        self, rewriter: Rewriter, size: int, wide: int, offset: int
    ) -> tuple[fx.Node, fx.Node | None]:
        layer = self.site.layer
        weight = rewriter.new_constant(_matrices(self.site.kernel, self.long, size, wide, offset), layer.node)
        bias = (
            None
            if layer.bias is None
            else rewriter.new_constant(layer.bias.repeat_interleave(size), layer.node)
        )
        return weight, bias


def _matrices(kernel: Kernel, long: int, size: int, wide: int, offset: int) -> Tensor:
    """The filters (outputs * size, 1, long, stride * wide); ``offset`` is where the first tap of the first column reads."""
    step, outputs = kernel.stride[0], kernel.weight.shape[0]
    made = kernel.weight.new_zeros(outputs, size, long * step, wide)
    for column in range(size):
        for tap in range(kernel.taps[1]):
            place = offset + column * kernel.stride[1] + tap * kernel.dilation[1]
            if 0 <= place < wide:
                made[:, column, : kernel.taps[0], place] = kernel.weight[:, 0, :, tap]
    return made.reshape(outputs * size, 1, long, step * wide)
