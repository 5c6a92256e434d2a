"""Group norm by global average pooling and 1 x 1 convolutions, for runtimes that keep channels last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .layers import per_channel
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["PoolGroupNorm"]

aten = torch.ops.aten

_RANK = 4
_PLANE = [2, 3]


@dataclass(frozen=True)
class PoolGroupNorm(Pass):
    """Write the group norm of a map with the means of its planes, which a 1 x 1 convolution averages over the channels of a group.

    A norm over channels and places at once is no operator of XNNPACK's, and between its layers, whose channels are last, it
    costs two transposes; an average over a plane and a convolution are its own. A group of one channel needs no convolution.
    Left alone: what is no map of (batch, channels, height, width), and gain or bias that are computed.
    """

    law: ClassVar[str] = (
        "group_norm(x) = d / sqrt(m(d^2) + eps) g + b with d = x - m(x), m = A mean_HW, A = G / C within a group"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.group_norm.default):
            bound, shape = arguments(node), shape_of(node)
            affine = {name: rewriter.constant(bound[name]) for name in ("weight", "bias")}
            if shape is None or len(shape) != _RANK:
                continue
            if any(affine[name] is None and bound[name] is not None for name in affine):
                continue
            with rewriter.at(node):
                result = _normalized(rewriter, node, shape[1])
                for target, vector in zip((aten.mul.Tensor, aten.add.Tensor), affine.values(), strict=True):
                    if vector is not None:
                        column = rewriter.new_constant(per_channel(vector, _RANK, 1), node)
                        result = rewriter.call(target, result, column)
            sites.append(rewriter.replace(node, result))
        return sites


def _normalized(rewriter: Rewriter, node: fx.Node, channels: int) -> fx.Node:
    bound = arguments(node)
    groups = int(bound["num_groups"])

    def mean(value: fx.Node) -> fx.Node:
        planes = rewriter.call(aten.mean.dim, value, _PLANE, True)
        if groups == channels:
            return planes
        # One group has one mean; of several, each channel is given its own.
        made = 1 if groups == 1 else channels
        share = torch.full((made, channels // groups, 1, 1), groups / channels, dtype=torch.float64)
        weight = rewriter.new_constant(share, node)
        return rewriter.call(aten.conv2d.default, planes, weight, None, [1, 1], [0, 0], [1, 1], groups)

    centred = rewriter.call(aten.sub.Tensor, bound["input"], mean(bound["input"]))
    variance = mean(rewriter.call(aten.mul.Tensor, centred, centred))
    scale = rewriter.call(aten.rsqrt.default, rewriter.call(aten.add.Tensor, variance, bound["eps"]))
    return rewriter.call(aten.mul.Tensor, centred, scale)
