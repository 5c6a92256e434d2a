"""Root mean square norm in operators that every converter writes right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["LowerRmsNorm"]

aten = torch.ops.aten

_LEAST = 2.0**-14  # the smallest float16 that has all its digits


@dataclass(frozen=True)
class LowerRmsNorm(Pass):
    """Write root mean square norm as products, a mean and a root of numbers up to 1; an epsilon that is not named is the
    type's.

    coremltools multiplies the epsilon instead of adding it (its issue 2821), and takes no norm without one. Squares of the
    numbers themselves leave float16: above 255 they are infinite, and below 0.008 nothing of them is left beside an epsilon.
    """

    law: ClassVar[str] = (
        "rms_norm(x) = g d / sqrt(mean(d^2) + eps / m^2) for d = x / m and any m > 0: here the largest |x|"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.rms_norm.default):
            value = node.meta.get("val")
            if shape_of(node) is None or not isinstance(value, torch.Tensor):
                continue
            with rewriter.at(node):
                result = self._normalized(rewriter, node, value.dtype)
            sites.append(rewriter.replace(node, result))
        return sites

    def _normalized(self, rewriter: Rewriter, node: fx.Node, kind: torch.dtype) -> fx.Node:
        bound = arguments(node)
        x, gain = bound["input"], bound["weight"]
        eps = torch.finfo(kind).eps if bound["eps"] is None else bound["eps"]
        axes = list(range(-len(bound["normalized_shape"]), 0))
        largest = rewriter.call(aten.amax.default, rewriter.call(aten.abs.default, x), axes, True)
        largest = rewriter.call(aten.clamp.default, largest, _LEAST)  # zeros stay zeros
        scaled = rewriter.call(aten.div.Tensor, x, largest)
        mean = rewriter.call(aten.mean.dim, rewriter.call(aten.mul.Tensor, scaled, scaled), axes, True)
        # The root first: an epsilon itself may be too small for float16.
        share = rewriter.call(
            aten.mul.Tensor, rewriter.call(aten.reciprocal.default, largest), math.sqrt(eps)
        )
        total = rewriter.call(aten.add.Tensor, mean, rewriter.call(aten.mul.Tensor, share, share))
        normal = rewriter.call(aten.mul.Tensor, scaled, rewriter.call(aten.rsqrt.default, total))
        return normal if gain is None else rewriter.call(aten.mul.Tensor, normal, gain)
