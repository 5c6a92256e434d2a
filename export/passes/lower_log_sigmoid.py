"""The logarithm of a sigmoid without the sigmoid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["LowerLogSigmoid"]

aten = torch.ops.aten


@dataclass(frozen=True)
class LowerLogSigmoid(Pass):
    """Write it as a softplus. torch's exporter takes the logarithm of the sigmoid, which ONNX Runtime ends at -18; coremltools
    has no conversion for it."""

    law: ClassVar[str] = "log_sigmoid(x) = -softplus(-x)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out({aten.log_sigmoid.default: _softplus})


def _softplus(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node:
    opposite = rewriter.call(aten.softplus.default, rewriter.call(aten.neg.default, bound["self"]))
    return rewriter.call(aten.neg.default, opposite)
