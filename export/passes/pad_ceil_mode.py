"""Average pooling in ceil mode, with zeros in the place of what its windows reach over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, shape_of
from .windows import WindowAxis, bordered, window_axes

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
            axes = window_axes(bound, before, after, _PLANE)
            if len(before) != _IMAGE or not any(axis.behind > axis.padding for axis in axes):
                continue
            with rewriter.at(node):
                result = _padded(rewriter, node, bound, axes)
            sites.append(rewriter.replace(node, result))
        return sites


def _counted(axis: WindowAxis, *, with_padding: bool) -> Tensor:
    """How many places of each window count."""
    first = torch.arange(axis.count) * axis.stride - axis.padding
    low, high = (-axis.padding, axis.size + axis.padding) if with_padding else (0, axis.size)
    return (first + axis.kernel).clamp(max=high) - first.clamp(min=low)


def _padded(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any], axes: list[WindowAxis]) -> fx.Node:
    padded = bordered(
        rewriter, bound["self"], [axis.padding for axis in axes], [axis.behind for axis in axes]
    )
    kernel = [axis.kernel for axis in axes]
    mean = rewriter.call(
        aten.avg_pool2d.default, padded, kernel, [axis.stride for axis in axes], [0, 0], False, True
    )
    rows, columns = (_counted(axis, with_padding=bound["count_include_pad"]) for axis in axes)
    share = math.prod(kernel) / (rows[:, None] * columns).double()
    return rewriter.call(aten.mul.Tensor, mean, rewriter.new_constant(share, node))
