"""Counts in whole numbers, for formats that would sum truths as floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["CountInIntegers"]

aten = torch.ops.aten


@dataclass(frozen=True)
class CountInIntegers(Pass):
    """Turn truths into int32 before they are summed.

    coremltools sums them as floats, in a float16 program as float16: of 9,025 it counts 9,024.
    """

    law: ClassVar[str] = "sum(truths) = sum(int32(truths)), of fewer than 2**31"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.sum.default, aten.sum.dim_IntList):
            x = node.args[0]
            value = x.meta.get("val") if isinstance(x, fx.Node) else None
            if not isinstance(value, torch.Tensor) or value.dtype is not torch.bool:
                continue
            with rewriter.at(node):
                whole = rewriter.call(aten._to_copy.default, x, dtype=torch.int32)
                result = rewriter.call(node.target, whole, *node.args[1:], **node.kwargs)
            sites.append(rewriter.replace(node, result))
        return sites
