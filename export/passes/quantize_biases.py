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

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class QuantizeBiases(Pass):
    """Behind the passes that make a layer's input and weights whole numbers: products of these are multiples of the product of
    both scales, and so is the bias, in 32 bits. A bias that would be more than these hold stays."""

    law: ClassVar[str] = "b becomes s_x s_w round(b / (s_x s_w)), the scale that the products of x and W have"
    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*LAYERS):
            given = arguments(node)
            bias = rewriter.constant(given["bias"])
            scales = self._scales(rewriter, given["input"], given["weight"])
            if bias is None or scales is None or bias.ndim != 1:
                continue
            data = torch.round(bias / scales)
            if float(data.abs().max()) > _LARGEST:
                continue
            with rewriter.at(node):
                kept = rewriter.new_constant(data.to(torch.int32), given["bias"])
                whole = rewriter.call(dequantize, kept, rewriter.new_constant(scales, given["bias"]))
            node.update_arg(2, whole)
            sites.append(origin_of(node))
        return sites

    @staticmethod
    def _scales(rewriter: Rewriter, value: object, weight: object) -> Tensor | None:
        """One for each output; None where either is no whole number."""
        if not (isinstance(value, fx.Node) and isinstance(weight, fx.Node)):
            return None
        if not value.target is weight.target is dequantize:
            return None
        of_value, of_weight = (rewriter.constant(each.args[1]) for each in (value, weight))
        assert of_value is not None and of_weight is not None
        # As a float32 file has it, so that what it says is what was rounded with.
        return (of_value * of_weight.flatten()).float().double()
