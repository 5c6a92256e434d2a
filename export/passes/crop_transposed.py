"""Transposed convolutions whose border is cut off behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, each_axis, is_fixed, shape_of

__all__ = ["CropTransposed"]

aten = torch.ops.aten

_RANKS = {
    aten.conv_transpose1d.default: 1,
    aten.conv_transpose2d.input: 2,
    aten.conv_transpose3d.input: 3,
}


@dataclass(frozen=True)
class CropTransposed(Pass):
    """Compute a transposed convolution without padding, and cut the padding off its result.

    LiteRT's operator has two borders: none, and one that makes each side as often as long as the stride says. litert-torch
    refuses others, and writes zeros where ``output_padding`` asks for more of the result. Where that is more than there is,
    zeros behind the input make room for it. Left alone: the two borders that LiteRT has.
    """

    law: ClassVar[str] = (
        "conv_transpose(x, padding p, output_padding o) = conv_transpose(pad(x, 0, z))[p : p + size], z s >= o - p"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*_RANKS):
            bound, sizes = arguments(node), shape_of(node)
            axes = _axes(node, bound)
            if sizes is None or not is_fixed(node) or all(axis.is_native for axis in axes):
                continue
            with rewriter.at(node):
                result = _cropped(rewriter, node, bound, axes)
            sites.append(rewriter.replace(node, result))
        return sites


@dataclass(frozen=True)
class _Axis:
    """An axis of the map: the kernel's reach, and what is asked of the result, ``size`` long."""

    reach: int
    stride: int
    padding: int
    more: int
    size: int

    @property
    def is_native(self) -> bool:
        return self.more == 0 and self.padding * 2 in (0, self.reach - self.stride)

    @property
    def behind(self) -> int:
        """How many zeros behind the input make the result long enough."""
        return max(0, -(-(self.more - self.padding) // self.stride))


def _axes(node: fx.Node, bound: dict[str, Any]) -> list[_Axis]:
    rank, kernel, made = _RANKS[node.target], shape_of(bound["weight"]), shape_of(node)  # type: ignore[index]
    if kernel is None or made is None:
        return []
    names = ("dilation", "stride", "padding", "output_padding")
    given = zip(*(each_axis(bound[name], rank) for name in names), strict=True)
    return [
        _Axis(dilation * (width - 1) + 1, stride, padding, more, size)
        for (dilation, stride, padding, more), width, size in zip(
            given, kernel[-rank:], made[-rank:], strict=True
        )
    ]


def _cropped(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any], axes: list[_Axis]) -> fx.Node:
    source, none = bound["input"], [0] * len(axes)
    zeros = [amount for axis in reversed(axes) for amount in (0, axis.behind)]
    if any(zeros):
        source = rewriter.call(aten.constant_pad_nd.default, source, zeros, 0.0)
    bound = bound | {"input": source, "padding": none, "output_padding": none}
    result = rewriter.call(node.target, *bound.values())
    for place, axis in enumerate(axes, start=-len(axes)):
        whole = (shape_of(result) or ())[place]
        if (axis.padding, axis.size) != (0, whole):
            result = rewriter.call(aten.slice.Tensor, result, place, axis.padding, axis.padding + axis.size)
    return result
