"""Rounding whose halves do not depend on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["LowerRounding"]

aten = torch.ops.aten


@dataclass(frozen=True)
class LowerRounding(Pass):
    """Take the nearest even number wherever it is near enough, and round only what is no half.

    Where Core ML's ``round`` puts a half depends on the processor it runs on (WebNN's issue 817); PyTorch rounds it to the
    even number. The nearest even number is twice the half, rounded: of an odd number that is undecided, too, but then it is
    too far away to be taken.
    """

    law: ClassVar[str] = "round(x) = e if |x - e| <= 1/2 else round(x), for e = 2 round(x / 2)"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.round.default):
            x = node.args[0]
            value = x.meta.get("val") if isinstance(x, fx.Node) else None
            if not isinstance(value, torch.Tensor) or not value.is_floating_point():
                continue
            with rewriter.at(node):
                half = rewriter.call(aten.round.default, rewriter.call(aten.mul.Tensor, x, 0.5))
                even = rewriter.call(aten.mul.Tensor, half, 2.0)
                away = rewriter.call(aten.abs.default, rewriter.call(aten.sub.Tensor, x, even))
                is_near = rewriter.call(aten.le.Scalar, away, 0.5)
                nearest = rewriter.call(aten.round.default, x)
                result = rewriter.call(aten.where.self, is_near, even, nearest)
            sites.append(rewriter.replace(node, result))
        return sites
