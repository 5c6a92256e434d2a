"""A constant factor after layers is those layers with scaled weights."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .layers import Layer, along_axis
from .producers import Producer, concatenated, summands
from .rewriter import Rewriter, alike, arguments, shape_of

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

    It is carried back through reshapes and permutations, one number for all through averages, matrix products and chunks of
    channels too. Every step on the way is read by nothing else.
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
    """The layers that ``source`` is made of, moved about, each with what its channels are scaled by; none if anything else
    is in it."""
    parts = _parts(rewriter, source)
    if len({part.layer.node for part in parts}) != len(parts):
        return []
    return [(part.layer, part.scale(factor)) for part in parts]


@dataclass(frozen=True)
class _Part:
    """What a layer gives, or so many of its ``channels`` alone."""

    layer: Layer
    channels: slice

    def scale(self, factor: Tensor) -> Tensor:
        """One number, as a number for each channel of the layer: 1 for the others."""
        numbers = torch.ones(self.layer.channels, dtype=torch.float64)
        numbers[self.channels] = factor.reshape(())
        return numbers


def _parts(rewriter: Rewriter, node: object) -> list[_Part]:
    """The layers whose outputs, moved about, ``node`` is a sum or concatenation of, if nothing else reads them on the way."""
    if not isinstance(node, fx.Node) or len(node.users) != 1:
        return []
    layer = Layer.read(rewriter, node, transposed=True)
    if layer is not None:
        return [_Part(layer, slice(None))]
    if node.target in _LINEAR:
        return _parts(rewriter, node.args[0])
    if node.target is operator.getitem:
        return _chunk(rewriter, node)
    # A product is linear in either operand, unless they are one: the first that leads to layers.
    if node.target in _PRODUCTS and node.args[0] is not node.args[1]:
        operands = (_parts(rewriter, operand) for operand in node.args[:2])
        return next((parts for parts in operands if parts), [])
    parts = [_parts(rewriter, part) for part in summands(node) or concatenated(node)[0]]
    return [part for some in parts for part in some] if all(parts) else []


def _chunk(rewriter: Rewriter, node: fx.Node) -> list[_Part]:
    """The layer whose output is chunked along its channels, of which ``node`` is a piece that nothing else is."""
    chunks, place = node.args
    if not isinstance(chunks, fx.Node) or chunks.target is not aten.chunk.default:
        return []
    layer, bound = Layer.read(rewriter, chunks.args[0]), arguments(chunks)
    count: int = bound["chunks"]
    if layer is None or len(layer.node.users) != 1 or layer.channels % count:
        return []
    if bound["dim"] % layer.node.meta["val"].ndim != layer.axis:
        return []
    places = [int(user.args[1]) % count for user in chunks.users]  # type: ignore[arg-type]
    width, place = layer.channels // count, int(place) % count  # type: ignore[arg-type]
    return [_Part(layer, slice(place * width, (place + 1) * width))] if places.count(place) == 1 else []


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
