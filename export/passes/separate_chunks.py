"""Compute the pieces of a chunked tensor apart, instead of computing it whole and splitting it."""

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

__all__ = ["SeparateChunks"]

aten = torch.ops.aten


@dataclass(frozen=True)
class SeparateChunks(Pass):
    """Give each chunk of a convolution's output channels a convolution of its own, with its share of the weights.

    Carried through a depthwise convolution to the layer before it. Left alone when something else
    reads the whole tensor. Linear layers stay whole: onnxsim puts products of one value together again, and leaves a
    Split and an addition for each chunk, where one Gemm was.
    """

    law: ClassVar[str] = "chunk(W x + b, n)[i] = chunk(W, n)[i] x + chunk(b, n)[i]"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.chunk.default):
            bound = arguments(node)
            layer = Layer.read(rewriter, bound["self"])
            count = bound["chunks"]
            if layer is None or len(layer.node.users) != 1 or not _splits(layer, count):
                continue
            if layer.node.target is aten.linear.default:
                continue
            if bound["dim"] % len(node.args[0].meta["val"].shape) != layer.axis:  # type: ignore[union-attr]
                continue
            if any(user.target is not operator.getitem for user in node.users):
                continue
            sites.append(origin_of(node))
            for user in list(node.users):
                with rewriter.at(node):
                    piece = _piece(rewriter, layer, count, int(user.args[1]) % count)  # type: ignore[arg-type]
                rewriter.replace(user, piece)
        return sites


def _splits(layer: Layer, count: int) -> bool:
    """Whether equal chunks of the output do not cut through a group."""
    return layer.channels % count == 0 and (layer.groups == 1 or layer.groups % count == 0)


def _piece(rewriter: Rewriter, layer: Layer, count: int, index: int) -> fx.Node:
    """The layer that computes chunk ``index`` of ``layer``; its input is chunked too if it is grouped."""
    source, groups = layer.input, layer.groups
    if groups > 1:
        before = Layer.read(rewriter, source)
        along = before is not None and before.axis == layer.axis
        if before is not None and along and len(source.users) == 1 and _splits(before, count):
            source = _piece(rewriter, before, count, index)
        else:
            chunks = rewriter.call(aten.chunk.default, source, count, layer.axis)
            source = rewriter.call(operator.getitem, chunks, index)
        groups //= count
    weight = layer.weight.chunk(count)[index]
    bias = None if layer.bias is None else layer.bias.chunk(count)[index]
    return layer.rebuild(rewriter, weight, bias, input=source, groups=groups if layer.groups > 1 else None)
