"""The angle of a point, on both axes too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, alike

__all__ = ["LowerArctangents"]

aten = torch.ops.aten


@dataclass(frozen=True)
class LowerArctangents(Pass):
    """Write atan2 by the arctangent of a ratio, turned by half a circle on the left, and a quarter above and below zero.

    coremltools turns nothing where y is 0, and moves an x near 0 to the right of it (its issue 2769). A zero has no sign
    here: from the left, (-0, x) is at +pi, and (0, -0) at 0, where PyTorch gives -pi and pi.
    """

    law: ClassVar[str] = (
        "atan2(y, x) = atan(y / x) + (pi sign'(y) if x < 0), or pi/2 sign(y) if x = 0; sign'(0) = 1"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.atan2.default):
            y, x = node.args
            if not all(alike(item, node) for item in (y, x)):  # type: ignore[arg-type]
                continue  # of other sizes or types
            with rewriter.at(node):
                one, none, turn, back = (
                    rewriter.new_constant(torch.tensor(value, dtype=torch.float64), node)
                    for value in (1.0, 0.0, math.pi, -math.pi)
                )
                is_above = rewriter.call(aten.eq.Scalar, x, 0.0)
                divisor = rewriter.call(aten.where.self, is_above, one, x)
                angle = rewriter.call(aten.atan.default, rewriter.call(aten.div.Tensor, y, divisor))
                half = rewriter.call(aten.where.self, rewriter.call(aten.lt.Scalar, y, 0.0), back, turn)
                is_left = rewriter.call(aten.lt.Scalar, x, 0.0)
                turned = rewriter.call(
                    aten.add.Tensor, angle, rewriter.call(aten.where.self, is_left, half, none)
                )
                quarter = rewriter.call(aten.mul.Tensor, rewriter.call(aten.sign.default, y), math.pi / 2)
                result = rewriter.call(aten.where.self, is_above, quarter, turned)
            sites.append(rewriter.replace(node, result))
        return sites
