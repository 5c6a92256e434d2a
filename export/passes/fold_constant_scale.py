"""A constant factor after layers is those layers with scaled weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .layers import Layer, along_axis
from .producers import Producer, concatenated, summands
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
    """Fold a multiplication or division by a constant into the layers it scales: one, transposed or not, or all those whose
    sum or concatenation it scales.

    It is carried back through reshapes and permutations, one number for all through averages and matrix products too. Every
    step on the way is read by nothing else.
    """

    law: ClassVar[str] = "c (W x + b) = (c W) x + c b"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.mul.Tensor, aten.mul.Scalar, aten.div.Tensor, aten.div.Scalar):
            found = _scaled(rewriter, node)
            if found is None or not alike(node, found[0]):
                continue
            source, factor = found
            scales = _everywhere if factor.numel() == 1 else _by_channel
            scaled = scales(rewriter, source, factor)
            if scaled:
                sites.append(rewriter.replace(node, source))
            for layer, scale in scaled:
                layer.scaled(rewriter, scale)
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


def _everywhere(rewriter: Rewriter, source: fx.Node, factor: Tensor) -> list[tuple[Layer, Tensor]]:
    """The layers that ``source`` is made of, moved about, each with one number for its channels; none if anything else is
    in it."""
    layers = _layers(rewriter, source)
    if len({layer.node for layer in layers}) != len(layers):
        return []
    return [(layer, factor.reshape(1).expand(layer.channels)) for layer in layers]


def _layers(rewriter: Rewriter, node: object) -> list[Layer]:
    """The layers whose outputs, moved about, ``node`` is a sum or concatenation of, if nothing else reads them on the way."""
    if not isinstance(node, fx.Node) or len(node.users) != 1:
        return []
    layer = Layer.read(rewriter, node, transposed=True)
    if layer is not None:
        return [layer]
    if node.target in _LINEAR:
        return _layers(rewriter, node.args[0])
    # A product is linear in either operand, unless they are one: the first that leads to layers.
    if node.target in _PRODUCTS and node.args[0] is not node.args[1]:
        operands = (_layers(rewriter, operand) for operand in node.args[:2])
        return next((layers for layers in operands if layers), [])
    parts = [_layers(rewriter, part) for part in summands(node) or concatenated(node)[0]]
    return [layer for layers in parts for layer in layers] if all(parts) else []


def _by_channel(rewriter: Rewriter, source: fx.Node, factor: Tensor) -> list[tuple[Layer, Tensor]]:
    """The layers that compute ``source``, each with what its channels are scaled by; none if ``factor`` varies along
    another axis than theirs."""
    shape = shape_of(source) or ()
    for axis, size in enumerate(shape):
        scale = along_axis(factor, len(shape), axis, size)
        if scale is not None:
            producers = Producer.all_of(rewriter, source, axis)
            return [(producer.layer, scale[producer.channels]) for producer in producers]
    return []
