"""A depthwise convolution in a graph, and what it may be written as instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import fx

from ..kernels import Kernel
from ..layers import Layer
from ..rewriter import Rewriter, arguments, shape_of
from . import costs

__all__ = ["Offer", "Shapes", "Site"]

Shapes: TypeAlias = frozenset[tuple[int, ...]]

_PLANE = 4  # axes of a batch of maps


@dataclass(frozen=True)
class Offer:
    """A form of one site: what ONNX Runtime takes for it on arm64 for one channel, the numbers that it stores, its operators, and
    what writes it at the rewriter's place. ``zeros`` are constants of nothing but zeros by shape, which sites share."""

    instructions: float
    numbers: int
    operators: int
    write: Callable[[Rewriter], fx.Node]
    zeros: Shapes = frozenset()


@dataclass(frozen=True)
class Site:
    """A convolution whose groups have one channel each: ``before`` and ``after`` are the shapes (batch, channels, rows, columns) of
    what it reads and of what it gives."""

    layer: Layer
    kernel: Kernel
    before: tuple[int, int, int, int]
    after: tuple[int, int, int, int]

    @classmethod
    def read(cls, rewriter: Rewriter, node: fx.Node) -> Site | None:
        """The site at ``node``; None where it is no such layer, or its shapes are not fixed."""
        layer = Layer.read(rewriter, node)
        if layer is None or layer.weight.ndim != _PLANE or layer.weight.shape[1] != 1 or layer.groups == 1:
            return None
        before, after = shape_of(layer.input), shape_of(node)
        if (
            before is None
            or after is None
            or before[1] != layer.groups
            or not torch.is_floating_point(node.meta["val"])
        ):
            return None
        return cls(layer, Kernel.of(layer), before, after)  # type: ignore[arg-type]

    @property
    def source(self) -> fx.Node:
        """What it reads now: the site in front of it may have been written anew since."""
        node: fx.Node = arguments(self.layer.node)["input"]
        return node

    @property
    def filters(self) -> int:
        """Of each channel."""
        return self.after[1] // self.before[1]

    @property
    def numbers(self) -> int:
        """That it stores, without its bias."""
        return self.layer.weight.numel()

    @property
    def instructions(self) -> float:
        """As it is, for one channel."""
        rows, columns = self.after[2:]
        kernel = self.kernel
        ends = [first + taps - 1 for first, taps in zip(kernel.first, kernel.taps)]
        is_small = (
            kernel.taps == (3, 3) and self.filters == 1 and kernel.stride == kernel.dilation == (1, 1)
            and min(kernel.first) >= -1 and max(ends) <= 2
        )  # fmt: skip
        if is_small:
            return costs.small(rows, columns, padded=bool(any(kernel.first)))
        taps = kernel.taps[0] * kernel.taps[1]
        return costs.as_it_is(rows, columns, taps, strided=kernel.stride != (1, 1), filters=self.filters)
