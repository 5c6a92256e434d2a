"""A constant factor before a layer is that layer with scaled weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .fold_normalization_affine import input_affine_folded
from .layers import Layer, along_axis
from .rewriter import Rewriter, alike, shape_of

__all__ = ["FoldInputScale"]

aten = torch.ops.aten


@dataclass(frozen=True)
class FoldInputScale(Pass):
    """Fold a factor per channel into all the layers that read the product; padding stays zero.

    Left alone when anything but layers along that channel axis reads it.
    """

    law: ClassVar[str] = "W (s x) + b = (W diag s) x + b"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.mul.Tensor):
            source, factor = node.args[0], rewriter.constant(node.args[1])
            readers = [Layer.read(rewriter, user) for user in node.users]
            if not isinstance(source, fx.Node) or factor is None or not readers:
                continue
            scales = [_per_input(layer, factor, node) for layer in readers]
            if not alike(source, node) or any(scale is None for scale in scales):
                continue
            sites.append(origin_of(node))
            for layer, scale in zip(readers, scales, strict=True):
                assert layer is not None
                weight, bias = input_affine_folded(layer, scale, None)
                layer.rewritten(rewriter, weight, bias)
            rewriter.replace(node, source, is_same_value=False)
        return sites


def _per_input(layer: Layer | None, factor: Tensor, product: fx.Node) -> Tensor | None:
    """``factor`` as one number per input channel of the layer; None where that does not describe it."""
    shape = shape_of(product)
    if layer is None or shape is None or layer.input is not product or product.op != "call_function":
        return None
    if list(layer.node.all_input_nodes).count(product) != 1:
        return None
    return along_axis(factor, len(shape), layer.axis, shape[layer.axis])
