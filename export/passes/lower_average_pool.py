"""Average pooling in forms that ONNX Runtime computes fast on arm64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, each_axis, shape_of

__all__ = ["LowerAveragePool"]

aten = torch.ops.aten

_MOST_COLUMNS = 28  # of a product's result: each is a multiply-add more for a number, and a pooling takes some 20 instructions


@dataclass(frozen=True)
class LowerAveragePool(Pass):
    """Write the mean of a window as a depthwise convolution, whose taps are all the same, or as a product of whole rows.

    ONNX Runtime's own average pooling takes 13 to 25 instructions for a number on arm64, for it asks at each place where the window
    ends; XNNPACK's provider does not take it from opset 19 on. A product needs windows that neither overlap nor leave something
    out, and is left alone where the result has many columns; a convolution takes every window whose divisor is its size.
    """

    law: ClassVar[str] = (
        "avg_pool(x) = conv(x, 1 / k); = rows of windows times a matrix with 1 / k where a column's window is"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    form: Literal["convolution", "product"]

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        constants: dict[tuple[object, ...], fx.Node] = {}
        for node in rewriter.nodes(aten.avg_pool2d.default):
            window = _Window.read(node)
            if window is None:
                continue
            with rewriter.at(node):
                write = window.convolved if self.form == "convolution" else window.multiplied
                result = write(rewriter, node, constants)
            if result is not None:
                sites.append(rewriter.replace(node, result))
        return sites


@dataclass(frozen=True)
class _Window:
    """A mean over ``kernel`` places of each channel; ``before`` and ``after`` are shapes."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    @classmethod
    def read(cls, node: fx.Node) -> _Window | None:
        """None where a window is divided by something else than its size, or a shape is not fixed."""
        given = arguments(node)
        before, after = shape_of(given["self"]), shape_of(node)
        if before is None or after is None or len(before) != 4 or given["divisor_override"] is not None:
            return None
        kernel, padding = each_axis(given["kernel_size"], 2), each_axis(given["padding"], 2)
        stride = each_axis(given["stride"], 2) if given["stride"] else kernel
        ends = [(count - 1) * step + taps for count, step, taps in zip(after[2:], stride, kernel)]
        hangs_over = any(end > size + 2 * pad for end, size, pad in zip(ends, before[2:], padding))
        if hangs_over or (any(padding) and not given["count_include_pad"]) or kernel == [1, 1]:
            return None
        return cls(before, after, *(tuple(item) for item in (kernel, stride, padding)))  # type: ignore[arg-type]

    @property
    def share(self) -> float:
        return 1 / (self.kernel[0] * self.kernel[1])

    def convolved(self, rewriter: Rewriter, node: fx.Node, constants: dict[Any, fx.Node]) -> fx.Node:
        """Every channel by itself."""
        channels, source = self.before[1], arguments(node)["self"]
        weight = self._constant(
            rewriter,
            node,
            constants,
            torch.full((channels, 1, *self.kernel), self.share, dtype=torch.float64),
        )
        return rewriter.call(
            aten.conv2d.default, source, weight, None, list(self.stride), list(self.padding), [1, 1], channels
        )

    def multiplied(self, rewriter: Rewriter, node: fx.Node, constants: dict[Any, fx.Node]) -> fx.Node | None:
        """The rows that a window reads lie one after the other in memory; None where they do not, or it is slower."""
        (batch, channels, height, width), (rows, columns), source = (
            self.before,
            self.after[2:],
            arguments(node)["self"],
        )
        is_whole = self.kernel == self.stride and (rows * self.kernel[0], columns * self.kernel[1]) == (
            height,
            width,
        )
        if not is_whole or any(self.padding) or columns > _MOST_COLUMNS:
            return None
        column = torch.arange(width) // self.kernel[1]
        matrix = (column[:, None] == torch.arange(columns)).double().repeat(self.kernel[0], 1) * self.share
        read = rewriter.call(aten.reshape.default, source, [batch, channels * rows, self.kernel[0] * width])
        found = rewriter.call(aten.matmul.default, read, self._constant(rewriter, node, constants, matrix))
        return rewriter.call(aten.reshape.default, found, list(self.after))

    def _constant(
        self, rewriter: Rewriter, node: fx.Node, constants: dict[Any, fx.Node], value: torch.Tensor
    ) -> fx.Node:
        """One for all sites that need the same."""
        key = (tuple(value.shape), self.kernel, node.meta["val"].dtype)
        if key not in constants:
            constants[key] = rewriter.new_constant(value, node)
        return constants[key]
