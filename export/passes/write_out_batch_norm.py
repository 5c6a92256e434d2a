"""A batch norm that no layer before it can take as a depthwise convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .norms import BatchNorm
from .rewriter import Rewriter, shape_of

__all__ = ["WriteOutBatchNorm"]

aten = torch.ops.aten
_CONVOLUTIONS: dict[int, Any] = {3: aten.conv1d.default, 4: aten.conv2d.default}  # by rank


@dataclass(frozen=True)
class WriteOutBatchNorm(Pass):
    """Write it as a depthwise convolution of one tap: one operator, which can be in 8 bits as well. Of another rank than a signal's or
    an image's, as a product and a sum.

    ExecuTorch writes the same, and then does not say which of its operators is the norm. Left alone: training mode, computed weights.
    """

    law: ClassVar[str] = "g (x - m) / sqrt(v + e) + h = s x + (h - s m) with s = g / sqrt(v + e)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for norm in BatchNorm.each(rewriter):
            rank = len(shape_of(norm.source) or ())
            with rewriter.at(norm.node):
                result = (
                    _as_layer(rewriter, norm, rank)
                    if rank in _CONVOLUTIONS
                    else _by_hand(rewriter, norm, rank)
                )
            sites.append(rewriter.replace(norm.node, result))
        return sites


def _as_layer(rewriter: Rewriter, norm: BatchNorm, rank: int) -> fx.Node:
    weight = rewriter.new_constant(norm.scale.reshape(-1, *[1] * (rank - 1)), norm.node)
    shift = rewriter.new_constant(norm.shift, norm.node)
    ones, zeros = [1] * (rank - 2), [0] * (rank - 2)
    groups = len(norm.scale)
    return rewriter.call(_CONVOLUTIONS[rank], norm.source, weight, shift, ones, zeros, ones, groups)


def _by_hand(rewriter: Rewriter, norm: BatchNorm, rank: int) -> fx.Node:
    def by_channel(values: Tensor) -> fx.Node:
        return rewriter.new_constant(values.reshape(-1, *[1] * (rank - 2)), norm.node)

    scaled = rewriter.call(aten.mul.Tensor, norm.source, by_channel(norm.scale))
    return rewriter.call(aten.add.Tensor, scaled, by_channel(norm.shift))
