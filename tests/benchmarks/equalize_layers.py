"""Channels that a layer makes large and the next one reads with small weights are made alike on both sides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, fx

from cloformer.export.passes._pass import Exactness, Pass
from cloformer.export.passes.layers import Layer
from cloformer.export.passes.note_means import Mean
from cloformer.export.passes.rewriter import MEAN, Rewriter, arguments
from cloformer.export.source.origin import Origin
from cloformer.export.source.trace import origin_of

from .streams import Stream

__all__ = ["EqualizeLayers"]

_MOST_ROUNDS = 50
_MOST = 6  # so many times doubled or halved: what float16 has room for


@dataclass(frozen=True)
class EqualizeLayers(Pass):
    """Scale the channels between layers so that the largest weights that give a channel and those that read it are about the same, in
    chains until none changes: "Data-Free Quantization Through Weight Equalization and Bias Correction" (Nagel et al., 2019).

    Between them may be rectifiers, pooling, zeros around, sums of several layers and moves, if nothing but layers reads any value on
    the way. Factors are powers of two, so that no number is rounded: all but the order of sums is the same. Left alone: what is clamped, and a
    weight that several layers share.
    """

    law: ClassVar[str] = "V f(W x + b) = (V s) f((W / s) x + b / s) if f(s y) = s f(y), s powers of two"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        streams = [item for item in Stream.each(rewriter) if _is_free(item)]
        layers = {node: layer for item in streams for node, layer in (item.layers | item.readers).items()}
        scaled, found = dict(layers), [torch.zeros(()) for _ in streams]
        for _ in range(_MOST_ROUNDS):
            before = list(found)
            for place, stream in enumerate(streams):
                found[place] = _exponents(stream, scaled, found[place])
            if all(torch.equal(one, other) for one, other in zip(before, found, strict=True)):
                break
        sites = []
        for stream, exponents in zip(streams, found, strict=True):
            if exponents.any():
                sites.append(origin_of(next(iter(stream.layers))))
                _scale_notes(stream, 2**-exponents)
        for node, layer in layers.items():
            new = scaled[node]
            if not torch.equal(new.weight, layer.weight):
                now = replace(layer, input=arguments(node)["input"])  # which may have been rewritten before
                now.rewritten(rewriter, new.weight, new.bias)
        return sites


def _is_free(stream: Stream) -> bool:
    """Whether no other layer has a weight of theirs, and all are numbers."""
    layers = [*stream.layers.values(), *stream.readers.values()]
    return all(
        len(weight.users) == 1 and bool(layer.weight.isfinite().all())
        for layer in layers
        if isinstance(weight := layer.node.args[1], fx.Node)
    )


def _exponents(stream: Stream, scaled: dict[fx.Node, Layer], before: Tensor) -> Tensor:
    """By how many powers of two each channel is made smaller in all, after one more step; ``scaled`` gets the weights of it."""
    giving = torch.stack([_largest(scaled[node], "outputs") for node in stream.layers]).amax(0)
    reading = torch.stack([_largest(scaled[node], "inputs") for node in stream.readers]).amax(0)
    wanted = torch.where((giving > 0) & (reading > 0), (giving / reading).log2() / 2, 0.0).round()
    exponents = (before + wanted).clamp(-_MOST, _MOST)
    factor = 2 ** (exponents - before)
    for node in stream.layers:
        scaled[node] = _times(scaled[node], 1 / factor, "outputs")
    for node in stream.readers:
        scaled[node] = _times(scaled[node], factor, "inputs")
    return exponents


def _by_group(layer: Layer, of: str) -> tuple[Tensor, int]:
    """The weight as (groups, first, second, taps), and the axis of the layer's "inputs" or "outputs" in it."""
    weight = layer.weight.reshape(layer.groups, -1, *layer.weight.shape[1:2], layer.weight[0, 0].numel())
    return weight, 1 if (of == "outputs") is not layer.is_transposed else 2


def _largest(layer: Layer, of: str) -> Tensor:
    """The largest magnitude of the weights of each input, or output."""
    weight, axis = _by_group(layer, of)
    return weight.abs().amax((3 - axis, 3)).flatten()


def _times(layer: Layer, factor: Tensor, of: str) -> Layer:
    weight, axis = _by_group(layer, of)
    column = factor.reshape(layer.groups, -1).unsqueeze(3 - axis).unsqueeze(3)
    bias = layer.bias * factor if of == "outputs" and layer.bias is not None else layer.bias
    return replace(layer, weight=(weight * column).reshape(layer.weight.shape), bias=bias)


def _scale_notes(stream: Stream, factor: Tensor) -> None:
    for node in stream.axes:
        noted = node.meta.get(MEAN)
        if noted is not None:
            node.meta[MEAN] = Mean(noted.values * factor, noted.axis)
