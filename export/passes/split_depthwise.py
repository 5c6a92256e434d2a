"""Large depthwise kernels as several, each small enough for a runtime's fast kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .kernels import Kernel
from .layers import Layer
from .rewriter import Rewriter, shape_of

__all__ = ["SplitDepthwise"]

aten = torch.ops.aten

_TWO = 2  # axes of a plane


@dataclass(frozen=True)
class SplitDepthwise(Pass):
    """Compute a depthwise convolution of more taps than XNNPACK has a fast kernel for as the sum of convolutions with some of its taps
    each.

    For larger ones XNNPACK goes over the map several times. ``kernels`` are the numbers of taps that it has kernels for; a part takes
    as long as the next of them. Where the kernel leaves the map's size as it is, parts that lie evenly about its middle do too, and
    read the map as it lies; strips of rows read pieces of a padded map. Left alone: what is not depthwise in two dimensions, kernels
    that are small enough, and those of which a single row is not.
    """

    law: ClassVar[str] = "conv(x, w) = sum over parts p of the taps of conv(x, w[p]) + b"
    exactness: ClassVar[Exactness] = Exactness.REAL

    kernels: tuple[int, ...] = (3, 4, 9, 25)

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.conv2d.default, aten.conv2d.padding):
            layer = Layer.read(rewriter, node)
            if layer is None or layer.groups == 1 or layer.weight.shape[1] != 1:
                continue
            height, width = layer.weight.shape[2:]
            if height * width <= self.kernels[-1] or width > self.kernels[-1]:
                continue
            with rewriter.at(node):
                result = self._split(rewriter, layer)
            sites.append(rewriter.replace(node, result))
        return sites

    def _split(self, rewriter: Rewriter, layer: Layer) -> fx.Node:
        kernel, most = Kernel.of(layer), self.kernels[-1]
        rows = most // kernel.taps[1]
        strips = [
            (range(first, min(first + rows, kernel.taps[0])), range(kernel.taps[1]))
            for first in range(0, kernel.taps[0], rows)
        ]
        even = [
            parts for parts in _about_the_middle(*kernel.taps) if all(_size(part) <= most for part in parts)
        ]
        best = min(even, key=self._cost, default=None)
        if (
            best is None
            or not _keeps_the_size(layer, kernel)
            or self._cost(best) >= self._cost(strips) + _COPIES
        ):
            return _in_strips(rewriter, layer, kernel, rows)
        return _in_parts(rewriter, layer, kernel, best)

    def _cost(self, parts: Sequence[_Part]) -> int:
        """In taps."""
        return sum(next(size for size in self.kernels if _size(part) <= size) + _SUM for part in parts)


# Some rows and columns of a kernel.
_Part: TypeAlias = tuple[range, range]
# What adding a part takes, and the copies that strips read, in taps: of instructions that were counted on arm64.
_SUM, _COPIES = 2, 5


def _size(part: _Part) -> int:
    return len(part[0]) * len(part[1])


def _about_the_middle(height: int, width: int) -> Iterator[list[_Part]]:
    """Ways to part an odd kernel: every second row and column, and all but the outermost rows and columns, which are parted in turn."""
    if height % 2 == 0 or width % 2 == 0:
        return
    yield [(range(row, height, 2), range(column, width, 2)) for row in (0, 1) for column in (0, 1)]
    rows, columns = range(1, height - 1), range(1, width - 1)
    outermost = range(0, height, max(height - 1, 1)), range(0, width, max(width - 1, 1))
    yield [
        (rows, columns),
        *((outermost[0], range(start, width, 2)) for start in (0, 1)),
        *((range(start, height - 1, 2), outermost[1]) for start in (1, 2)),
    ]


def _keeps_the_size(layer: Layer, kernel: Kernel) -> bool:
    """Whether as many zeros are put before the map as behind it, and all taps meet each place of it."""
    middles = [step * (taps // 2) for step, taps in zip(kernel.dilation, kernel.taps, strict=True)]
    is_padded = [-first for first in kernel.first] == middles and all(step == 1 for step in kernel.stride)
    return is_padded and (shape_of(layer.node) or ())[2:] == (shape_of(layer.input) or ())[2:]


def _in_parts(rewriter: Rewriter, layer: Layer, kernel: Kernel, parts: Sequence[_Part]) -> fx.Node:
    """The sum over the parts; the bias is added by the first."""
    total: fx.Node | None = None
    for part in parts:
        weight = layer.weight[:, :, list(part[0])][:, :, :, list(part[1])]
        steps = [
            (taps.step if len(taps) > 1 else 1) * gap for taps, gap in zip(part, kernel.dilation, strict=True)
        ]
        pads = [gap * (len(taps) - 1) // 2 for taps, gap in zip(part, steps, strict=True)]
        made = _convolved(
            rewriter, layer, kernel, layer.input, weight, layer.bias if total is None else None, pads, steps
        )
        total = made if total is None else rewriter.call(aten.add.Tensor, total, made)
    assert total is not None
    return total


def _in_strips(rewriter: Rewriter, layer: Layer, kernel: Kernel, rows: int) -> fx.Node:
    """The sum over strips of so many rows; the bias is added by the first."""
    made = shape_of(layer.node)
    assert made is not None
    padded = _padded(rewriter, layer, kernel, made)
    total: fx.Node | None = None
    for first in range(0, kernel.taps[0], rows):
        weight = layer.weight[:, :, first : first + rows]
        begin = first * kernel.dilation[0]
        length = _reach(made[2], weight.shape[2], kernel, 0)
        strip = rewriter.call(aten.slice.Tensor, padded, 2, begin, begin + length)
        bias = layer.bias if total is None else None
        part = _convolved(rewriter, layer, kernel, strip, weight, bias, [0, 0], list(kernel.dilation))
        total = part if total is None else rewriter.call(aten.add.Tensor, total, part)
    assert total is not None
    return total


def _convolved(
    rewriter: Rewriter, layer: Layer, kernel: Kernel, read: fx.Node, weight: Tensor, bias: Tensor | None, pads: list[int], steps: list[int]
) -> fx.Node:  # fmt: skip
    constants = (
        rewriter.new_constant(weight.contiguous(), layer.node),
        None if bias is None else rewriter.new_constant(bias, layer.node),
    )
    return rewriter.call(
        aten.conv2d.default, read, *constants, list(kernel.stride), pads, steps, layer.groups
    )


def _padded(rewriter: Rewriter, layer: Layer, kernel: Kernel, made: tuple[int, ...]) -> fx.Node:
    """The input with all that the taps meet outside of it."""
    sizes = shape_of(layer.input)
    assert sizes is not None
    pads: list[int] = []
    for axis in reversed(range(_TWO)):  # the last axis is padded first
        before = -kernel.first[axis]
        reach = _reach(made[2 + axis], kernel.taps[axis], kernel, axis)
        pads += [before, max(reach - before - sizes[2 + axis], 0)]
    if not any(pads):
        return layer.input
    return rewriter.call(aten.constant_pad_nd.default, layer.input, pads, 0.0)


def _reach(made: int, taps: int, kernel: Kernel, axis: int) -> int:
    """How many places so many results are made of, by so many taps."""
    return kernel.stride[axis] * (made - 1) + kernel.dilation[axis] * (taps - 1) + 1
