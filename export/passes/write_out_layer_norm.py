"""Layer norm by its own definition, over the axes as they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["WriteOutLayerNorm"]

aten = torch.ops.aten


@dataclass(frozen=True)
class WriteOutLayerNorm(Pass):
    """Write layer norm as means, a difference and a root; ``by_products``, means over the last axis are products with equal weights.

    litert-torch writes it as x r - m r, with the mean m and one over the deviation r: of numbers that are large beside their
    deviation, what is subtracted cancels, and each m and r is reshaped on its way. ExecuTorch's kernel takes the variance as a
    difference of means, where that cancels, too, and its delegate has neither the norm nor a mean over the last axis.
    """

    law: ClassVar[str] = "layer_norm(x) = d / sqrt(mean(d^2) + eps) g + b with d = x - mean(x)"
    exactness: ClassVar[Exactness] = Exactness.REAL
    by_products: bool = False

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.layer_norm.default):
            if shape_of(node) is None:
                continue
            with rewriter.at(node):
                result = self._normalized(rewriter, node)
            sites.append(rewriter.replace(node, result))
        return sites

    def _normalized(self, rewriter: Rewriter, node: fx.Node) -> fx.Node:
        bound = arguments(node)
        axes = list(range(-len(bound["normalized_shape"]), 0))
        mean = self._mean(rewriter, bound["input"], axes)
        centred = rewriter.call(aten.sub.Tensor, bound["input"], mean)
        variance = self._mean(rewriter, rewriter.call(aten.mul.Tensor, centred, centred), axes)
        scale = rewriter.call(aten.rsqrt.default, rewriter.call(aten.add.Tensor, variance, bound["eps"]))
        result = rewriter.call(aten.mul.Tensor, centred, scale)
        for target, name in ((aten.mul.Tensor, "weight"), (aten.add.Tensor, "bias")):
            if bound[name] is not None:
                result = rewriter.call(target, result, bound[name])
        return result

    def _mean(self, rewriter: Rewriter, x: fx.Node, axes: list[int]) -> fx.Node:
        if not self.by_products or len(axes) > 1:
            return rewriter.call(aten.mean.dim, x, axes, True)
        size = (shape_of(x) or ())[-1]
        weights = rewriter.new_constant(torch.full((1, size), 1 / size, dtype=torch.float64), x)
        return rewriter.call(aten.linear.default, x, weights)
