"""Wide depthwise convolutions as several, each of so few channels that the processor's first cache holds what it reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from torch import fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .layers import Layer
from .pointwise import is_pointwise
from .rewriter import Rewriter, alike, shape_of

__all__ = ["SplitChannels"]

aten = torch.ops.aten

_BYTES = 8  # of a tap in float32: what was read, and the weight
_TAPS = 25  # that a kernel of XNNPACK reads at once, at most
_LANES = 16  # channels that are computed together
# Values that XNNPACK concatenates at once; LiteRT's converter makes nested concatenations one again.
_MOST = 5
_FEWEST = 16  # places of a map, each of which reads the weights


@dataclass(frozen=True)
class SplitChannels(Pass):
    """Compute a wide depthwise convolution in parts of its channels.

    XNNPACK computes all channels of a place before it goes to the next, and reads nearly the same of them there. What it reads
    is read from the first cache where that is in it: ``cache`` bytes, which most processors have. The layer in front is
    computed in the same parts, and so are functions of each number between the two and behind them; anything else, and what others read
    too, is cut. Left alone: layers of a quarter more than the cache or less, and maps of few places, whose parts save less than
    putting them together costs; kernels that have no fast form, of which XNNPACK reads some taps at a time.
    """

    law: ClassVar[str] = "conv(x, w) = [conv(x[part], w[part]) for the parts of the channels]"
    exactness: ClassVar[Exactness] = Exactness.REAL

    cache: int = 32 * 1024

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.conv2d.default, aten.conv2d.padding):
            layer = Layer.read(rewriter, node)
            if layer is None or layer.weight.shape[1] != 1 or layer.channels != layer.groups:
                continue
            parts = self._parts(layer)
            if len(parts) < 2:
                continue
            before, behind = _before(rewriter, layer.input), _behind(node)
            made = [
                _applied(
                    rewriter, behind, _computed(rewriter, layer, _read(rewriter, layer, before, part), part)
                )
                for part in parts
            ]
            last = behind[-1] if behind else node
            with rewriter.at(last):
                whole = rewriter.call(aten.cat.default, made, 1)
            sites.append(origin_of(node))
            sources = last.all_input_nodes
            rewriter.replace(last, whole)
            for source in sources:
                rewriter.erase_unread(source)
        return sites

    def _parts(self, layer: Layer) -> Sequence[slice]:
        """As few as fit into the cache, in whole lanes, or as many as are put together."""
        taps = layer.weight[0].numel()
        places = math.prod((shape_of(layer.node) or ())[2:])
        if taps > _TAPS or places < _FEWEST or taps * _BYTES * layer.channels <= self.cache * 5 / 4:
            return []
        most = max(self.cache // (taps * _BYTES * _LANES), 1) * _LANES
        count = min(-(-layer.channels // most), _MOST)
        width = -(-layer.channels // (count * _LANES)) * _LANES
        return [slice(first, min(first + width, layer.channels)) for first in range(0, layer.channels, width)]


# An ungrouped convolution, and the functions of each number that follow it, the first in front.
_Before: TypeAlias = tuple[Layer, list[fx.Node]]


def _before(rewriter: Rewriter, value: fx.Node) -> _Before | None:
    """What a value is computed by, where nothing else reads anything on the way."""
    functions: list[fx.Node] = []
    while len(value.users) == 1:
        layer = Layer.read(rewriter, value)
        if layer is not None:
            return (layer, functions) if layer.groups == 1 and layer.axis == 1 else None
        if not _is_of_one(value):
            return None
        functions.insert(0, value)
        value = value.all_input_nodes[0]
    return None


def _behind(node: fx.Node) -> list[fx.Node]:
    """The functions of each number that follow, and alone read what is before them."""
    found: list[fx.Node] = []
    while len(node.users) == 1 and _is_of_one(next(iter(node.users))):
        node = next(iter(node.users))
        found.append(node)
    return found


def _is_of_one(node: fx.Node) -> bool:
    """Whether it is a function of each number of one value, which is its first argument, and gives a number of that type."""
    others = [*node.args[1:], *node.kwargs.values()]
    return (
        is_pointwise(node.target)
        and node.args[:1] == tuple(node.all_input_nodes)
        and alike(node, node.all_input_nodes[0])
        and not any(isinstance(other, fx.Node) for other in others)
    )


def _read(rewriter: Rewriter, layer: Layer, before: _Before | None, part: slice) -> fx.Node:
    """The channels ``part`` of what a layer reads: computed apart, or cut."""
    if before is None:
        with rewriter.at(layer.node):
            return rewriter.call(aten.slice.Tensor, layer.input, 1, part.start, part.stop)
    first, functions = before
    return _applied(rewriter, functions, _computed(rewriter, first, first.input, part))


def _computed(rewriter: Rewriter, layer: Layer, value: fx.Node, part: slice) -> fx.Node:
    """The channels ``part`` of a layer's result, which reads ``value``: all of it, or of a depthwise layer the same channels."""
    weight, bias = layer.weight[part], None if layer.bias is None else layer.bias[part]
    with rewriter.at(layer.node):
        return layer.rebuild(
            rewriter, weight, bias, input=value, groups=1 if layer.groups == 1 else len(weight)
        )


def _applied(rewriter: Rewriter, functions: Sequence[fx.Node], value: fx.Node) -> fx.Node:
    for function in functions:
        with rewriter.at(function):
            value = rewriter.call(function.target, value, *function.args[1:], **function.kwargs)
    return value
