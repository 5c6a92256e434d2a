"""GELU by a hyperbolic tangent, as what it is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["LowerTanhGelu"]

aten = torch.ops.aten


@dataclass(frozen=True)
class LowerTanhGelu(Pass):
    """Write it out. ExecuTorch's XNNPACK computes every GELU by the error function, also one that asks for this approximation, which
    differs by up to 5e-4."""

    law: ClassVar[str] = "gelu_tanh(x) = (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) x/2"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out({aten.gelu.default: _written_out})


def _written_out(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    if bound["approximate"] != "tanh":
        return None
    x, scale = bound["self"], math.sqrt(2 / math.pi)
    # scale x (1 + 0.044715 x^2)
    square = rewriter.call(aten.mul.Tensor, rewriter.call(aten.mul.Tensor, x, x), 0.044715)
    inner = rewriter.call(
        aten.mul.Tensor, rewriter.call(aten.mul.Tensor, x, scale), rewriter.call(aten.add.Tensor, square, 1.0)
    )
    share = rewriter.call(aten.add.Tensor, rewriter.call(aten.tanh.default, inner), 1.0)
    return rewriter.call(aten.mul.Tensor, rewriter.call(aten.mul.Tensor, x, 0.5), share)
