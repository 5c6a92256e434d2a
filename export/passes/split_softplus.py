"""Softplus of nothing above zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["SplitSoftplus"]

aten = torch.ops.aten

_SAME = 20  # from so much on PyTorch takes a softplus for its operand, of which float32 has the same


@dataclass(frozen=True)
class SplitSoftplus(Pass):
    """Write a softplus as a rectifier and a softplus of what is not above zero.

    The Neural Engine's gives 0 where its operand is above 10.4 (coremltools' issue 2687): 2 to the 15th is the exponential of that.
    Mish is written out with it. From 20 on PyTorch takes a softplus for its operand, which is 2e-9 less. Left alone: one that
    does so from another number on.
    """

    law: ClassVar[str] = "softplus(x) = relu(x) + softplus(-|x|); mish(x) = x tanh(softplus(x))"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out({aten.softplus.default: _softplus, aten.mish.default: _mish})


def _softplus(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x, beta = bound["self"], bound["beta"]
    if bound["threshold"] < _SAME or beta <= 0 or _is_never_positive(x):
        return None
    return _split(rewriter, x, beta)


def _mish(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node:
    x = bound["self"]
    return rewriter.call(aten.mul.Tensor, x, rewriter.call(aten.tanh.default, _split(rewriter, x, 1)))


def _split(rewriter: Rewriter, x: fx.Node, beta: float) -> fx.Node:
    below = rewriter.call(aten.neg.default, rewriter.call(aten.abs.default, x))
    smooth = rewriter.call(aten.softplus.default, below, beta)
    return rewriter.call(aten.add.Tensor, rewriter.call(aten.relu.default, x), smooth)


def _is_never_positive(x: fx.Node) -> bool:
    """Whether it is what this pass wrote."""
    inner = x.args[0] if x.target is aten.neg.default else None
    return isinstance(inner, fx.Node) and inner.target is aten.abs.default
