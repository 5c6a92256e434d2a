"""The logarithm of a softmax without the softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments

__all__ = ["LowerLogSoftmax"]

aten = torch.ops.aten


@dataclass(frozen=True)
class LowerLogSoftmax(Pass):
    """Write it as a difference of what lies below the largest, as PyTorch computes it.

    coremltools takes the logarithm of the softmax, which ends where the softmax does: at -103 in float32, and at -17 in
    float16, below which it is infinite (its issue 2728). Below the largest, no exponential can be too large for float16 either.
    """

    law: ClassVar[str] = "log softmax(x) = y - log sum exp(y) for y = x - max(x)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.log_softmax.int):
            bound = arguments(node)
            x, axis = bound["self"], bound["dim"]
            if bound["dtype"] is not None or not x.meta["val"].is_floating_point() or not x.meta["val"].ndim:
                continue
            with rewriter.at(node):
                below = rewriter.call(aten.sub.Tensor, x, rewriter.call(aten.amax.default, x, [axis], True))
                total = rewriter.call(aten.logsumexp.default, below, [axis], True)
                result = rewriter.call(aten.sub.Tensor, below, total)
            sites.append(rewriter.replace(node, result))
        return sites
