"""Group norm in the one normalization operator that a format's runtime computes well."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .layers import per_channel
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["LowerGroupNorm"]

aten = torch.ops.aten


@dataclass(frozen=True)
class LowerGroupNorm(Pass):
    """Write group norm as ``operator`` without gain, then gain and bias where it still has them.

    ``layer_norm``: over (C, H, W) as it lies for one group, over the flattened group otherwise.
    ``instance_norm``: each group, flattened, is one channel.
    """

    law: ClassVar[str] = "group_norm(x, G) = g normalize(reshape(x, [B, G, -1])) + b"
    exactness: ClassVar[Exactness] = Exactness.REAL

    operator: str = "layer_norm"

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.group_norm.default):
            shape = shape_of(node)
            if shape is None:
                continue
            bound = arguments(node)
            affine = {name: rewriter.constant(bound[name]) for name in ("weight", "bias")}
            if any(affine[name] is None and bound[name] is not None for name in affine):
                continue  # gain or bias are computed
            with rewriter.at(node):
                result = self._normalized(
                    rewriter, bound["input"], shape, int(bound["num_groups"]), bound["eps"]
                )
                for target, vector in zip((aten.mul.Tensor, aten.add.Tensor), affine.values(), strict=True):
                    if vector is not None:
                        column = rewriter.new_constant(per_channel(vector, len(shape), 1), node)
                        result = rewriter.call(target, result, column)
            sites.append(rewriter.replace(node, result))
        return sites

    def _normalized(
        self, rewriter: Rewriter, source: fx.Node, shape: tuple[int, ...], groups: int, eps: float
    ) -> fx.Node:
        if self.operator == "layer_norm" and groups == 1:
            return rewriter.call(aten.layer_norm.default, source, list(shape[1:]), None, None, eps)
        width = math.prod(shape[1:]) // groups
        grouped = rewriter.call(aten.reshape.default, source, [shape[0], groups, width])
        if self.operator == "layer_norm":
            normal = rewriter.call(aten.layer_norm.default, grouped, [width], None, None, eps)
        else:
            normal = rewriter.call(
                aten.instance_norm.default, grouped, None, None, None, None, True, 0.0, eps, False
            )
        return rewriter.call(aten.reshape.default, normal, list(shape))
