"""Instance norm as a group norm of single channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, shape_of

__all__ = ["InstanceAsGroupNorm"]

aten = torch.ops.aten


@dataclass(frozen=True)
class InstanceAsGroupNorm(Pass):
    """Write it as the group norm of as many groups as there are channels, which the passes after it make of means.

    ExecuTorch's kernel takes the variance as the difference of two means, which cancel where a plane is nearly constant, and repeats
    gain and bias for each image by operators of their own. Left alone where the statistics are known.
    """

    law: ClassVar[str] = "instance_norm(x) = group_norm(x, C)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out({aten.instance_norm.default: _by_channel})


def _by_channel(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    shape = shape_of(node)
    if not bound["use_input_stats"] or shape is None:
        return None
    return rewriter.call(
        aten.group_norm.default, bound["input"], shape[1], bound["weight"], bound["bias"], bound["eps"]
    )
