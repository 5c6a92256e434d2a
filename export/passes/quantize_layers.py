"""Layers compute on whole numbers of 8 bits: what they read and what they give is rounded to one of 256 steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from cloformer.errors import UnsupportedError

from ..source.origin import Origin
from ..source.quantization import Quantization, Steps
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .layers import LAYERS, Layer
from .rewriter import Rewriter, carry_notes
from .stored import dequantize, quantize

__all__ = ["QuantizeLayers", "averages", "quantizable", "values_of"]

aten = torch.ops.aten
# What a runtime computes with the layer before it, so that its result alone is rounded.
_CLIPS = (aten.relu.default, aten.hardtanh.default, aten.clamp.default, aten.relu6.default)

_ROUNDING = 1e-6


def quantizable(rewriter: Rewriter) -> Iterator[Layer]:
    """The convolutions and linear layers with constant weights, in order, but those that average."""
    for node in rewriter.nodes(*LAYERS):
        layer = Layer.read(rewriter, node)
        if layer is not None and node.meta["val"].dtype is torch.float32 and not averages(layer.weight):
            yield layer


def averages(weight: Tensor) -> bool:
    """Whether a layer with this weight gives the mean of what it reads: a norm's, which is subtracted from what it is the mean of, and may be nothing but
    what rounding leaves."""
    of_each = weight.flatten(1)
    count = of_each.shape[1]
    return count > 1 and bool(((of_each * count - 1).abs() < _ROUNDING).all())


def values_of(layer: Layer) -> tuple[fx.Node, fx.Node]:
    """What the layer reads, and what it gives: behind a clip that alone reads it."""
    last = layer.node
    while len(last.users) == 1 and (reader := next(iter(last.users))).target in _CLIPS:
        last = reader
    return layer.input, last


@dataclass(frozen=True)
class QuantizeLayers(Pass):
    """Every layer but those that ``quantization`` leaves in float reads and gives numbers of 8 bits, with the steps that it
    says for each; who else reads such a value gets it rounded, too. Steps are numbers of the type ``stored``.

    A value is rounded once, for all of its readers: a file that gave some of them the number before would compute the layer
    twice, or leave the path on which it is whole numbers throughout.
    """

    law: ClassVar[str] = (
        "x becomes s (q - z) with q = round(x / s) + z in 8 bits, where layers read or give it"
    )
    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE

    quantization: Quantization
    stored: str

    @property
    def name(self) -> str:
        return "quantize_layers"

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        found = {layer.node.name: layer for layer in quantizable(rewriter)}
        unknown = next((name for name in self.quantization.in_float if name not in found), None)
        if unknown is not None:
            raise UnsupportedError(
                f"the precision map names {unknown!r}, and the graph has no such layer",
                "write the map from an int8 artifact of the same model, made with the same options",
            )
        layers = [layer for name, layer in found.items() if name not in self.quantization.in_float]
        wanted = dict.fromkeys(value for layer in layers for value in values_of(layer))
        missing = next((value for value in wanted if value.name not in self.quantization.steps), None)
        if missing is not None:
            raise UnsupportedError(
                f"no range is known of {missing.name}, which a layer in 8 bits reads or gives",
                f"where: {origin_of(missing)}",
                "export it again with --calibration FOLDER: its ranges are of another model, or of another version of torch",
            )
        readers = {value: list(value.users) for value in wanted}
        for value in wanted:
            self._round(rewriter, value, readers[value], self.quantization.steps[value.name])
        return [origin_of(layer.node) for layer in layers]

    def _round(self, rewriter: Rewriter, value: fx.Node, readers: list[fx.Node], steps: Steps) -> None:
        kind = torch.tensor(steps.scale, dtype=torch.float64)
        with rewriter.at(_after(value)):
            scale = rewriter.new_constant(kind, value)
            data = rewriter.call(quantize, value, scale, steps.zero_point)
            rounded = rewriter.call(dequantize, data, scale, steps.zero_point)
        carry_notes(value, rounded)
        for node in (data, rounded):
            node.meta["custom"] = value.meta.get("custom") or {}
        for reader in readers:
            reader.replace_input_with(value, rounded)


def _after(value: fx.Node) -> fx.Node:
    """The first node behind it; behind the last input, of an input."""
    following = value.next
    while following.op == "placeholder":
        following = following.next
    return following
