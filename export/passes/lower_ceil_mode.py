"""Pooling in ceil mode, without the mode where PyTorch drops the window that it would add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, each_axis, shape_of

__all__ = ["LowerCeilMode"]

aten = torch.ops.aten

_POOLINGS: dict[object, int] = {
    aten.max_pool1d.default: 1, aten.max_pool2d.default: 2, aten.max_pool3d.default: 3,
    aten.avg_pool1d.default: 1, aten.avg_pool2d.default: 2, aten.avg_pool3d.default: 3,
}  # fmt: skip
_BY_AXIS = ("kernel_size", "stride", "padding", "dilation")
_NO_WINDOW = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}


@dataclass(frozen=True)
class LowerCeilMode(Pass):
    """Leave ceil mode out on the axes where the last window would begin behind the input and its first padding.

    PyTorch drops such a window (``pooling_output_shape`` in ``aten/src/ATen/native/Pool.h``), and ONNX keeps it: the shapes
    differ. Where another axis needs the mode, the axes are pooled one after the other.
    """

    law: ClassVar[str] = (
        "pool(x, ceil) = pool(x, floor) where as many windows are laid; pool(x) over several axes = pool(pool(x) over some) "
        "over the others"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*_POOLINGS):
            bound = arguments(node)
            if not bound["ceil_mode"] or bound.get("divisor_override") is not None:
                continue
            axes = _axes(node, bound)
            if not any(axis.drops_one for axis in axes):
                continue
            with rewriter.at(node):
                result = _lowered(rewriter, node, bound, [axis.adds_one for axis in axes])
            sites.append(rewriter.replace(node, result))
        return sites


@dataclass(frozen=True)
class _Axis:
    """``count`` windows are laid; without ceil mode there would be ``fitting``, and ``rest`` numbers behind the last."""

    count: int
    fitting: int
    rest: int

    @property
    def adds_one(self) -> bool:
        return self.count > self.fitting

    @property
    def drops_one(self) -> bool:
        return self.rest > 0 and not self.adds_one


def _axes(node: fx.Node, bound: dict[str, Any]) -> list[_Axis]:
    rank = _POOLINGS[node.target]
    before, after = shape_of(bound["self"]), shape_of(node)
    if before is None or after is None:
        return []
    windows = _windows(bound, rank)
    axes = []
    for place in range(rank):
        kernel, stride, padding, dilation = (windows[name][place] for name in _BY_AXIS)
        free = before[place - rank] + 2 * padding - dilation * (kernel - 1) - 1
        axes.append(_Axis(after[place - rank], free // stride + 1, free % stride))
    return axes


def _windows(bound: dict[str, Any], rank: int) -> dict[str, list[int]]:
    """Kernels, strides, paddings and dilations, one for each axis."""
    given = {name: bound[name] for name in _BY_AXIS if name in bound}
    given["stride"] = given["stride"] or given["kernel_size"]
    given.setdefault("dilation", 1)
    return {name: each_axis(value, rank) for name, value in given.items()}


def _lowered(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any], in_ceil_mode: list[bool]) -> fx.Node:
    """The axes that do without the mode first, then the others, if there are any."""
    windows = _windows(bound, len(in_ceil_mode))
    result: fx.Node = bound["self"]
    for mode in sorted(set(in_ceil_mode)):
        changed = {
            name: [
                value if needs is mode else _NO_WINDOW[name]
                for value, needs in zip(values, in_ceil_mode, strict=True)
            ]
            for name, values in windows.items()
            if name in bound
        }
        given = bound | changed | {"self": result, "ceil_mode": mode}
        result = rewriter.call(node.target, *given.values())
    return result
