"""Whole numbers beside floats, as floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["NumberAsFloat"]

aten = torch.ops.aten


@dataclass(frozen=True)
class NumberAsFloat(Pass):
    """Write the whole number that a float tensor is multiplied by, or that is added to it, as a float.

    ExecuTorch makes a tensor of each such number. One of whole numbers is converted at every inference, by an operator that is in no
    delegate.
    """

    law: ClassVar[str] = "c x = float(c) x for a whole number c and a float x"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        targets = (aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor)
        return rewriter.write_out(dict.fromkeys(targets, _as_float))


def _as_float(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x, number = bound["self"], bound["other"]
    if type(number) is not int or not x.meta["val"].is_floating_point():
        return None
    return rewriter.call(node.target, x, float(number), **node.kwargs)
