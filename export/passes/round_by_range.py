"""What layers read is rounded to 256 steps between the least and the largest number of each inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .quantize_layers import averages
from .rewriter import Rewriter, arguments, carry_notes, each_axis, shape_of
from .stored import dequantize, round_by_range

__all__ = ["RoundByRange"]

aten = torch.ops.aten
_LAYERS = (aten.conv2d.default, aten.conv2d.padding, aten.linear.default)
_RANK = 4  # of what a convolution over two axes reads, with its batch


@dataclass(frozen=True)
class RoundByRange(Pass):
    """Behind the passes that store weights as whole numbers: what a layer with such a weight reads becomes whole numbers at each
    inference, as XNNPACK does it: of a convolution by one range for each image, of a linear layer and of a convolution of single places by one for
    each place. Other readers get the value itself.

    Left alone: convolutions in groups, which XNNPACK computes so in float alone, and those that average, of which a mean is subtracted.
    """

    law: ClassVar[str] = (
        "W x becomes W (q - z) / s, q = round(s x) + z in 8 bits, s = 255 / (max(x, 0) - min(x, 0))"
    )
    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        made: dict[tuple[fx.Node, tuple[int, ...]], fx.Node] = {}
        for node in rewriter.nodes(*_LAYERS):
            axes = _axes(rewriter, node)
            if axes is None:
                continue
            value = arguments(node)["input"]
            if (value, axes) not in made:
                with rewriter.at(node):
                    made[value, axes] = rewriter.call(round_by_range, value, list(axes))
                carry_notes(value, made[value, axes])
            node.update_arg(0, made[value, axes])
            sites.append(origin_of(node))
        return sites


def _axes(rewriter: Rewriter, node: fx.Node) -> tuple[int, ...] | None:
    """The axes that have one range; None of a layer that is left alone."""
    given = arguments(node)
    weight, shape = given["weight"], shape_of(given["input"])
    if weight.target is not dequantize or shape is None or node.meta["val"].dtype is not torch.float32:
        return None
    data, scales = (rewriter.constant(item) for item in weight.all_input_nodes)
    if data is None or scales is None or averages(dequantize(data, scales)):
        return None
    if node.target is aten.linear.default:
        return (len(shape) - 1,)
    if len(shape) != _RANK or given["groups"] != 1:
        return None
    is_of_places = data.shape[2:].numel() == 1 and set(each_axis(given["stride"], 2)) == {1}
    return (1,) if is_of_places else tuple(range(1, _RANK))
