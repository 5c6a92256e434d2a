"""Batch norm in evaluation mode is a scale and a shift per channel: the layer before it can do both."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .layers import Layer
from .rewriter import Rewriter, arguments

__all__ = ["FoldBatchNorm"]

aten = torch.ops.aten


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """Fold a batch norm into the convolution or linear layer that alone feeds it.

    Left alone: training mode, a layer that something else reads too, computed weights.
    """

    law: ClassVar[str] = (
        "g (W x + b - m) / sqrt(v + e) + h = (s W) x + s (b - m) + h with s = g / sqrt(v + e)"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(
            aten.batch_norm.default, aten._native_batch_norm_legit_no_training.default
        ):
            bound = arguments(node)
            layer = Layer.read(rewriter, bound["input"])
            # Batch norm works along axis 1, which for a linear layer is the last one only at rank 2.
            if bound.get("training", False) or layer is None or len(layer.node.users) != 1 or layer.axis != 1:
                continue
            mean, variance = rewriter.constant(bound["running_mean"]), rewriter.constant(bound["running_var"])
            if mean is None or variance is None:
                continue
            if rewriter.is_computed(bound["weight"]) or rewriter.is_computed(bound["bias"]):
                continue
            scale = torch.rsqrt(variance + bound["eps"])
            gain, shift = rewriter.constant(bound["weight"]), rewriter.constant(bound["bias"])
            scale = scale if gain is None else scale * gain
            bias = -mean if layer.bias is None else layer.bias - mean
            bias = bias * scale if shift is None else bias * scale + shift
            weight = layer.weight * scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
            result = _result(rewriter, node)
            sites.append(origin_of(node))
            # Erased at once, so that another norm after this one finds the layer with one reader.
            rewriter.replace(result, layer.rewritten(rewriter, weight, bias))
            if result is not node and not node.users:
                rewriter.graph.erase_node(node)
        return sites


def _result(rewriter: Rewriter, node: fx.Node) -> fx.Node:
    """The node that holds the normalized tensor: the functional form returns three."""
    if node.target is aten.batch_norm.default:
        return node
    first = [user for user in node.users if user.target is operator.getitem and user.args[1] == 0]
    for other in first[1:]:
        rewriter.replace(other, first[0])
    return first[0]
