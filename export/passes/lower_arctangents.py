"""The angle of a point, on both axes too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .definitions.arithmetic import is_negative
from .rewriter import Rewriter

__all__ = ["LowerArctangents"]

aten = torch.ops.aten


@dataclass(frozen=True)
class LowerArctangents(Pass):
    """Write atan2 by the arctangent of a ratio, turned by half a circle on the left, and a quarter above and below zero.

    coremltools turns nothing where y is 0, and moves an x near 0 to the right of it (its issue 2769); torch.onnx turns by the
    other half where y is 0. Points whose coordinates are of two types are left alone.
    """

    law: ClassVar[str] = (
        "atan2(y, x) = atan(y / x) + (pi s(y) if s(x) < 0), or pi/2 s(y) if x = 0 and y is not; s is the sign, a zero's too"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.atan2.default):
            y, x = node.args
            if all(item.meta["val"].dtype == node.meta["val"].dtype for item in (y, x)):  # type: ignore[union-attr]
                with rewriter.at(node):
                    result = rewriter.write(_angle, y, x)
                sites.append(rewriter.replace(node, result))
        return sites


def _angle(y: Tensor, x: Tensor) -> Tensor:
    is_number = not y.ndim and not x.ndim
    y, x = (item if item.ndim else item.reshape(1) for item in (y, x))  # of numbers there is no choice
    is_zero = x == 0
    angle = (y / torch.where(is_zero, 1.0, x)).atan()
    turned = torch.where(is_negative(y), angle - math.pi, angle + math.pi)
    found = torch.where(is_negative(x), turned, angle)
    found = torch.where(torch.logical_and(is_zero, y != 0), y.sign() * (math.pi / 2), found)
    return found.reshape(()) if is_number else found
