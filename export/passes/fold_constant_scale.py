"""A constant factor after a layer is that layer with scaled weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .layers import Layer
from .rewriter import Rewriter, alike, shape_of

__all__ = ["FoldConstantScale"]

aten = torch.ops.aten

# f(c x) = c f(x) for these: they move or average values and add nothing.
_LINEAR = (
    aten.reshape.default, aten.view.default, aten._unsafe_view.default, aten.permute.default,
    aten.transpose.int, aten.contiguous.default, aten.clone.default, aten.unsqueeze.default,
    aten.flatten.using_ints, aten.avg_pool2d.default, aten.adaptive_avg_pool2d.default,
)  # fmt: skip
_PRODUCTS = (aten.matmul.default, aten.bmm.default)


@dataclass(frozen=True)
class FoldConstantScale(Pass):
    """Fold a multiplication or division by a constant into the layer it scales.

    One number for all is carried back through reshapes, permutations, averages and matrix products;
    one per channel must come directly after the layer. Every step on the way is read by nothing else.
    """

    law: ClassVar[str] = "c (W x + b) = (c W) x + c b"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.mul.Tensor, aten.mul.Scalar, aten.div.Tensor, aten.div.Scalar):
            found = _scaled(rewriter, node)
            if found is None:
                continue
            source, factor = found
            layer = _producer(rewriter, source, uniform=factor.numel() == 1)
            scale = None if layer is None else _per_output(layer, factor, source)
            if layer is None or scale is None or not alike(node, source):
                continue
            sites.append(origin_of(node))
            node.replace_all_uses_with(source)
            rewriter.graph.erase_node(node)
            bias = None if layer.bias is None else layer.bias * scale
            layer.rewritten(rewriter, layer.weight * scale.reshape(-1, *[1] * (layer.weight.ndim - 1)), bias)
        return sites


def _scaled(rewriter: Rewriter, node: fx.Node) -> tuple[fx.Node, Tensor] | None:
    """What is scaled, and by which constant."""
    left, right = node.args[:2]
    divides = node.target in (aten.div.Tensor, aten.div.Scalar)
    for source, other in ((left, right), (right, left))[: 1 if divides else 2]:
        factor = _number_or_constant(rewriter, other)
        if isinstance(source, fx.Node) and source.op == "call_function" and factor is not None:
            if divides and not bool((factor != 0).all()):
                return None
            return source, 1 / factor if divides else factor
    return None


def _number_or_constant(rewriter: Rewriter, value: object) -> Tensor | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return torch.tensor(value, dtype=torch.float64)
    constant = rewriter.constant(value)
    return constant if constant is not None and constant.is_floating_point() else None


def _producer(rewriter: Rewriter, node: object, *, uniform: bool) -> Layer | None:
    """The layer whose output, moved about, ``node`` is, if nothing else reads it on the way."""
    if not isinstance(node, fx.Node) or len(node.users) != 1:
        return None
    layer = Layer.read(rewriter, node)
    if layer is not None or not uniform:
        return layer
    if node.target in _LINEAR:
        return _producer(rewriter, node.args[0], uniform=True)
    # A product is linear in either operand, unless they are one: the first that leads to a layer.
    if node.target in _PRODUCTS and node.args[0] is not node.args[1]:
        operands = (_producer(rewriter, operand, uniform=True) for operand in node.args[:2])
        return next((layer for layer in operands if layer is not None), None)
    return None


def _per_output(layer: Layer, factor: Tensor, source: fx.Node) -> Tensor | None:
    """``factor`` as one number per output channel of the layer; None where it varies over other axes."""
    if factor.numel() == 1:
        return factor.reshape(1).expand(layer.channels)
    rank = len(shape_of(source) or ())
    if factor.ndim > rank:
        return None
    sizes = (1,) * (rank - factor.ndim) + tuple(factor.shape)
    varies = [axis for axis, size in enumerate(sizes) if size != 1]
    return factor.reshape(-1) if varies == [layer.axis] else None
