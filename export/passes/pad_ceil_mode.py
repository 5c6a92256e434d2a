"""Average pooling in ceil mode, with zeros in the place of what its windows reach over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, each_axis, shape_of

__all__ = ["PadCeilMode"]

aten = torch.ops.aten

_PLANE = 2
_IMAGE = 4


@dataclass(frozen=True)
class PadCeilMode(Pass):
    """Write the mean of windows that reach over the edge as that of whole windows over zeros, times what says how much of each
    window counts.

    Runtimes divide such windows by different numbers (coremltools' issues 2772 and 2844). Left alone: windows that reach over no
    edge, other than two spatial axes behind a batch, and what has a divisor of its own.
    """

    law: ClassVar[str] = (
        "avg_pool(x, ceil) = avg_pool(pad(x), floor) k / n for windows of k places, of which n count"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.avg_pool2d.default):
            bound = arguments(node)
            before, after = shape_of(bound["self"]), shape_of(node)
            if (
                not bound["ceil_mode"]
                or bound["divisor_override"] is not None
                or before is None
                or after is None
            ):
                continue
            axes = _axes(bound, before, after)
            if len(before) != _IMAGE or not any(axis.behind > axis.padding for axis in axes):
                continue
            with rewriter.at(node):
                result = _padded(rewriter, node, bound, axes)
            sites.append(rewriter.replace(node, result))
        return sites


@dataclass(frozen=True)
class _Axis:
    """``count`` windows of ``kernel`` places over ``size`` and the padding."""

    size: int
    kernel: int
    stride: int
    padding: int
    count: int

    @property
    def behind(self) -> int:
        """How far the last window reaches behind the input."""
        return (self.count - 1) * self.stride + self.kernel - self.size - self.padding

    def counted(self, *, with_padding: bool) -> Tensor:
        """How many places of each window count."""
        first = torch.arange(self.count) * self.stride - self.padding
        low, high = (-self.padding, self.size + self.padding) if with_padding else (0, self.size)
        return (first + self.kernel).clamp(max=high) - first.clamp(min=low)


def _axes(bound: dict[str, Any], before: tuple[int, ...], after: tuple[int, ...]) -> list[_Axis]:
    kernel, padding = each_axis(bound["kernel_size"], _PLANE), each_axis(bound["padding"], _PLANE)
    stride = each_axis(bound["stride"], _PLANE) if bound["stride"] else kernel
    return [
        _Axis(*axis) for axis in zip(before[-_PLANE:], kernel, stride, padding, after[-_PLANE:], strict=True)
    ]


def _padded(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any], axes: list[_Axis]) -> fx.Node:
    source = bound["self"]
    cut = [min(axis.behind, 0) for axis in axes]
    for place, (axis, less) in enumerate(zip(axes, cut, strict=True), start=-_PLANE):
        if less:  # what no window reads
            source = rewriter.call(aten.slice.Tensor, source, place, 0, axis.size + less)
    zeros = [amount for axis in reversed(axes) for amount in (axis.padding, max(axis.behind, 0))]
    padded = rewriter.call(aten.constant_pad_nd.default, source, zeros, 0.0)
    kernel = [axis.kernel for axis in axes]
    mean = rewriter.call(
        aten.avg_pool2d.default, padded, kernel, [axis.stride for axis in axes], [0, 0], False, True
    )
    rows, columns = (axis.counted(with_padding=bound["count_include_pad"]) for axis in axes)
    share = math.prod(kernel) / (rows[:, None] * columns).double()
    return rewriter.call(aten.mul.Tensor, mean, rewriter.new_constant(share, node))
