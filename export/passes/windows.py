"""The windows that a pooling lays over its input, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from .rewriter import Rewriter, each_axis, shape_of

__all__ = ["WindowAxis", "bordered", "window_axes"]

aten = torch.ops.aten


@dataclass(frozen=True)
class WindowAxis:
    """``count`` windows of ``kernel`` places, ``stride`` places apart, over ``size`` places and ``padding`` before and behind them,
    from the front of the padding on."""

    size: int
    kernel: int
    stride: int
    padding: int
    count: int

    @property
    def behind(self) -> int:
        """How far the last window reaches behind the input; fewer than none where it ends within."""
        return (self.count - 1) * self.stride + self.kernel - self.size - self.padding


def window_axes(
    bound: dict[str, Any], before: Sequence[int], after: Sequence[int], rank: int
) -> list[WindowAxis]:
    """The last ``rank`` axes of a pooling with these arguments, from the shape ``before`` to the one ``after``."""
    kernel, padding = each_axis(bound["kernel_size"], rank), each_axis(bound["padding"], rank)
    strides = each_axis(bound["stride"], rank) if bound["stride"] else kernel
    sizes = zip(before[-rank:], kernel, strides, padding, after[-rank:], strict=True)
    return [WindowAxis(*axis) for axis in sizes]


def bordered(rewriter: Rewriter, source: fx.Node, before: Sequence[int], behind: Sequence[int]) -> fx.Node:
    """So many zeros before and behind each of the last axes; where they are fewer than none, so much is cut off."""
    for axis, more in enumerate(behind, start=-len(behind)):
        if more < 0:
            size = (shape_of(source) or ())[axis]
            source = rewriter.call(aten.slice.Tensor, source, axis, 0, size + more)
    pairs = zip(reversed(before), reversed(behind), strict=True)
    zeros = [amount for low, high in pairs for amount in (low, max(high, 0))]
    return rewriter.call(aten.pad.default, source, zeros, "constant", 0.0) if any(zeros) else source
