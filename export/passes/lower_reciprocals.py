"""Reciprocals as divisions, for formats whose own operators add an epsilon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["LowerReciprocals"]

aten = torch.ops.aten


@dataclass(frozen=True)
class LowerReciprocals(Pass):
    """Write reciprocals, and those of roots, as divisions of one.

    Core ML's ``inverse`` adds 1e-4 to what it divides by and its ``rsqrt`` 1e-12 (coremltools' definitions of both), and
    the converter leaves these defaults: the reciprocal of 0 is 10,000 there, and that of 0.01 off by one part in a hundred.
    """

    law: ClassVar[str] = "reciprocal(x) = 1 / x, and rsqrt(x) = 1 / sqrt(x)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for target in (aten.reciprocal.default, aten.rsqrt.default):
            for node in rewriter.nodes(target):
                x = node.args[0]
                value = x.meta.get("val") if isinstance(x, fx.Node) else None
                if not isinstance(value, torch.Tensor) or not value.is_floating_point():
                    continue
                with rewriter.at(node):
                    one = rewriter.new_constant(torch.ones((), dtype=torch.float64), node)
                    divisor = x if target is aten.reciprocal.default else rewriter.call(aten.sqrt.default, x)
                    result = rewriter.call(aten.div.Tensor, one, divisor)
                sites.append(rewriter.replace(node, result))
        return sites
