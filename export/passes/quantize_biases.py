"""The bias of a layer in 8 bits as whole numbers, too, so that the layer adds up nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .layers import LAYERS
from .rewriter import Rewriter, arguments
from .stored import dequantize

__all__ = ["QuantizeBiases"]

_LARGEST = 2**30  # half of what 32 bits hold: products are added to it


@dataclass(frozen=True)
class QuantizeBiases(Pass):
    """Behind the passes that make a layer's input and weights whole numbers: products of these are multiples of the product of
    both scales, and so is the bias, in 32 bits.

    Of a channel whose weights are so small that its bias would not fit, the scale is made larger until it does, and the weights
    are rounded to it: all of them together are then less than 127 * 127 * n / 2^30 of the bias, for n inputs. No bias stays in float:
    ONNX Runtime would round it by itself, and what does not fit to another number.
    """

    law: ClassVar[str] = "b becomes s_x s_w round(b / (s_x s_w)), the scale that the products of x and W have"
    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*LAYERS):
            given = arguments(node)
            bias = rewriter.constant(given["bias"])
            of_value, of_weight = (_scales(rewriter, given[name]) for name in ("input", "weight"))
            if bias is None or of_value is None or of_weight is None or bias.ndim != 1:
                continue
            least = _as_float32(bias.abs() / (_LARGEST * of_value))
            if bool((of_weight.flatten() < least).any()):
                wider = torch.maximum(of_weight, least.reshape(of_weight.shape))
                self._widen(rewriter, node, given["weight"], wider)
                of_weight = wider
            scales = _as_float32(of_value * of_weight.flatten())
            with rewriter.at(node):
                data = rewriter.new_constant(torch.round(bias / scales).to(torch.int32), given["bias"])
                whole = rewriter.call(dequantize, data, rewriter.new_constant(scales, given["bias"]))
            node.update_arg(2, whole)
            sites.append(origin_of(node))
        return sites

    def _widen(self, rewriter: Rewriter, node: fx.Node, weight: fx.Node, scales: Tensor) -> None:
        """Give the layer its weight by other scales."""
        data, before = (rewriter.constant(source) for source in weight.all_input_nodes)
        assert data is not None and before is not None
        with rewriter.at(node):
            rounded = torch.round(data * (before / scales)).to(torch.int8)
            kept = rewriter.new_constant(rounded, weight), rewriter.new_constant(scales, weight)
            other = rewriter.call(dequantize, *kept)
        node.replace_input_with(weight, other)
        rewriter.erase_unread(weight)


def _scales(rewriter: Rewriter, value: object) -> Tensor | None:
    """Of a layer's input, or of each output of its weight; None if it is no whole number."""
    if not isinstance(value, fx.Node) or value.target is not dequantize:
        return None
    return rewriter.constant(value.args[1])


def _as_float32(values: Tensor) -> Tensor:
    """As a file has them, so that what it says is what was rounded with."""
    return values.float().double()
