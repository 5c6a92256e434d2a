"""Large depthwise kernels as strips of rows, each small enough for a runtime's fast kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
    """Compute a depthwise convolution of more than ``taps`` taps as the sum of convolutions with some of its rows each.

    XNNPACK has fast depthwise kernels of up to 25 taps; for larger ones it goes over the map several times. Each strip reads
    the rows that its taps meet of one padded map. Left alone: what is not depthwise in two dimensions, kernels that are
    small enough, and those of which a single row is not.
    """

    law: ClassVar[str] = "conv(x, w) = sum over s of conv(rows_s(pad(x)), w_s) + b"
    exactness: ClassVar[Exactness] = Exactness.REAL

    taps: int = 25

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.conv2d.default, aten.conv2d.padding):
            layer = Layer.read(rewriter, node)
            if layer is None or layer.groups == 1 or layer.weight.shape[1] != 1:
                continue
            height, width = layer.weight.shape[2:]
            if height * width <= self.taps or width > self.taps:
                continue
            with rewriter.at(node):
                result = _in_strips(rewriter, layer, self.taps // width)
            sites.append(rewriter.replace(node, result))
        return sites


def _in_strips(rewriter: Rewriter, layer: Layer, rows: int) -> fx.Node:
    """The sum over strips of so many rows; the bias is added by the first."""
    kernel = Kernel.of(layer)
    made = shape_of(layer.node)
    assert made is not None
    padded = _padded(rewriter, layer, kernel, made)
    total: fx.Node | None = None
    for first in range(0, kernel.taps[0], rows):
        weight = layer.weight[:, :, first : first + rows]
        begin = first * kernel.dilation[0]
        length = _reach(made[2], weight.shape[2], kernel, 0)
        strip = rewriter.call(aten.slice.Tensor, padded, 2, begin, begin + length)
        part = _convolved(rewriter, layer, kernel, strip, weight, layer.bias if total is None else None)
        total = part if total is None else rewriter.call(aten.add.Tensor, total, part)
    assert total is not None
    return total


def _convolved(
    rewriter: Rewriter, layer: Layer, kernel: Kernel, strip: fx.Node, weight: Tensor, bias: Tensor | None
) -> fx.Node:
    constants = (
        rewriter.new_constant(weight.contiguous(), layer.node),
        None if bias is None else rewriter.new_constant(bias, layer.node),
    )
    return rewriter.call(
        aten.conv2d.default,
        strip,
        *constants,
        list(kernel.stride),
        [0, 0],
        list(kernel.dilation),
        layer.groups,
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
