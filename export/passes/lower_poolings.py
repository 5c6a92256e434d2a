"""Pooling in the forms that Core ML computes as PyTorch does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, each_axis, shape_of
from .windows import WindowAxis, bordered, window_axes

__all__ = ["LowerPoolings"]

aten = torch.ops.aten

_AVERAGES = (aten.avg_pool1d.default, aten.avg_pool2d.default, aten.avg_pool3d.default)
_LARGEST = (aten.max_pool1d.default, aten.max_pool2d.default, aten.max_pool3d.default)


@dataclass(frozen=True)
class LowerPoolings(Pass):
    """Put a pooling's borders into its input, or cut them off, where Core ML counts them in another way.

    Where ceil mode lets a window reach over the edge, Core ML divides by the whole window unless padding is excluded, and
    then it leaves the padding itself out too (coremltools' issue 2772). On an axis without padding it keeps a window that
    begins behind the input, which PyTorch drops (``spatial_dimensions_out_shape`` in coremltools, ``pooling_output_shape``
    in PyTorch). Its converter takes no divisor of the user's, and no largest of windows without a stride.
    """

    law: ClassVar[str] = (
        "pool(x) = pool'(pad(x)), pool' without padding, its windows divided by what they see; "
        "sum / d = (mean over a whole window) size / d"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*_AVERAGES, *_LARGEST):
            bound = arguments(node)
            axes = _axes(node, bound)
            if axes is None:
                continue
            lower = _average if node.target in _AVERAGES else _largest
            with rewriter.at(node):
                result = lower(rewriter, node, bound, axes)
            if result is not None:
                sites.append(rewriter.replace(node, result))
        return sites


def _hangs_over(axis: WindowAxis) -> bool:
    return axis.behind > axis.padding


def _keeps_more(axis: WindowAxis) -> bool:
    """Whether Core ML keeps a window, in ceil mode, that PyTorch drops."""
    return axis.padding == 0 and -(-(axis.size - axis.kernel) // axis.stride) >= axis.count


def _axes(node: fx.Node, bound: dict[str, Any]) -> list[WindowAxis] | None:
    source = bound.get("self", bound.get("input"))
    before, after = shape_of(source) if isinstance(source, fx.Node) else None, shape_of(node)
    return None if before is None or after is None else window_axes(bound, before, after, _rank(node))


def _rank(node: fx.Node) -> int:
    return 1 + max(group.index(node.target) for group in (_AVERAGES, _LARGEST) if node.target in group)


def _average(
    rewriter: Rewriter, node: fx.Node, bound: dict[str, Any], axes: list[WindowAxis]
) -> fx.Node | None:
    divisor = bound.get("divisor_override")
    counts_padding = bound["count_include_pad"] or divisor is not None
    hang_over = any(_hangs_over(axis) for axis in axes)
    keep_more = bound["ceil_mode"] and any(_keeps_more(axis) for axis in axes)
    if divisor is None and not keep_more and not (hang_over and counts_padding):
        return None
    source = bound["self"]
    kernel, strides = [axis.kernel for axis in axes], [axis.stride for axis in axes]
    padding, none = [axis.padding for axis in axes], [0] * len(axes)
    behind = [axis.behind for axis in axes]
    if divisor is not None:  # a sum: zeros change nothing
        if hang_over:
            source, padding = bordered(rewriter, source, padding, behind), none
        mean = rewriter.call(node.target, source, kernel, strides, padding, False, True)
        return rewriter.call(aten.mul.Tensor, mean, math.prod(kernel) / divisor)
    if counts_padding:  # as a part of the input, and nothing else
        source = bordered(
            rewriter, source, padding, [min(item) for item in zip(padding, behind, strict=True)]
        )
        return rewriter.call(node.target, source, kernel, strides, none, True, False)
    return rewriter.call(node.target, _cut(rewriter, source, axes), kernel, strides, padding, True, False)


def _largest(
    rewriter: Rewriter, node: fx.Node, bound: dict[str, Any], axes: list[WindowAxis]
) -> fx.Node | None:
    keep_more = bound["ceil_mode"] and any(_keeps_more(axis) for axis in axes)
    if bound["stride"] and not keep_more:
        return None
    dilation = each_axis(bound["dilation"], len(axes))
    if keep_more and max(dilation) > 1:
        return None  # which coremltools refuses
    source = _cut(rewriter, bound["self"], axes) if keep_more else bound["self"]
    kernel, strides = [axis.kernel for axis in axes], [axis.stride for axis in axes]
    padding = [axis.padding for axis in axes]
    return rewriter.call(node.target, source, kernel, strides, padding, dilation, bound["ceil_mode"])


def _cut(rewriter: Rewriter, source: fx.Node, axes: list[WindowAxis]) -> fx.Node:
    """Without what is behind the last window that PyTorch keeps, where Core ML would keep another one."""
    behind = [axis.behind if _keeps_more(axis) else 0 for axis in axes]  # where there is no padding
    return bordered(rewriter, source, [0] * len(axes), behind)
