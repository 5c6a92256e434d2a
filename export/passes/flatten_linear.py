"""Linear layers of rows alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, is_fixed, shape_of

__all__ = ["FlattenLinear"]

aten = torch.ops.aten

_ROWS = 2  # axes of rows by columns


@dataclass(frozen=True)
class FlattenLinear(Pass):
    """Give a linear layer its input as rows: all axes but the last in one.

    Of more axes litert-torch makes a product with the weight, which it takes apart by the axes before, and refuses where it
    finds others than it expects. Reshapes cost nothing.
    """

    law: ClassVar[str] = "linear(x) = reshape(linear(reshape(x, [rows, columns])))"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.linear.default):
            bound = arguments(node)
            shape, made = shape_of(bound["input"]), shape_of(node)
            if shape is None or made is None or len(shape) <= _ROWS or len(made) != len(shape):
                continue
            if not is_fixed(node) or len(shape_of(bound["weight"]) or ()) != _ROWS:
                continue
            with rewriter.at(node):
                rows = rewriter.call(aten.reshape.default, bound["input"], [math.prod(shape[:-1]), shape[-1]])
                result = rewriter.call(aten.linear.default, rows, bound["weight"], bound["bias"])
                result = rewriter.call(aten.reshape.default, result, list(made))
            sites.append(rewriter.replace(node, result))
        return sites
