"""What compressed weights add to a layer's mean is taken out of its bias."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .compress_weights import STANDS_FOR
from .layers import LAYERS, TRANSPOSED
from .note_means import Mean
from .rewriter import MEAN, Rewriter, arguments, shape_of

__all__ = ["CorrectBias"]

aten = torch.ops.aten


@dataclass(frozen=True)
class CorrectBias(Pass):
    """Add what the compressed weights W' of a layer lack in the mean, (W - W') E[x], to its bias, as in "Data-Free Quantization
    Through Weight Equalization and Bias Correction" (Nagel et al., 2019): E[x] is its input's mean by channel as
    :class:`.NoteMeans` noted it. Zeros that a convolution lays around its input take their share of it.

    Left alone: a layer whose input's mean is not known, or whose bias is computed.
    """

    law: ClassVar[str] = "W' x + b + (W - W') E[x] has the mean of W x + b"
    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*LAYERS, *TRANSPOSED):
            bound = arguments(node)
            bias, lack = rewriter.constant(bound["bias"]), _lack(rewriter, node, bound)
            if lack is None or rewriter.is_computed(bound["bias"]):
                continue
            if bias is not None and bias.shape != lack.shape:
                continue  # linear also takes a bias that broadcasts
            with rewriter.at(node):
                corrected = rewriter.new_constant(lack if bias is None else bias + lack, node)
                layer = rewriter.call(node.target, *(bound | {"bias": corrected}).values())
            sites.append(origin_of(node))
            rewriter.replace(node, layer)
        for node in rewriter.graph.nodes:
            node.meta.pop(STANDS_FOR, None)  # or the weights would be kept as long as the graph
        return sites


def _lack(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> Tensor | None:
    """(W - W') E[x] by output channel; None if the weight is not compressed, or the mean is not known."""
    weight, mean = bound["weight"], bound["input"].meta.get(MEAN)
    shape = shape_of(bound["input"])
    before = weight.meta.get(STANDS_FOR)
    if before is None or shape is None or not isinstance(mean, Mean):
        return None
    is_linear = node.target is aten.linear.default
    if mean.axis != (len(shape) - 1 if is_linear else 1) or (len(shape) != before.ndim and not is_linear):
        return None
    made = [rewriter.constant(item) if isinstance(item, fx.Node) else item for item in weight.args]
    lost: Tensor = before.double() - weight.target(*made)
    if is_linear:
        return lost @ mean.values
    groups, is_transposed = int(bound["groups"]), node.target in TRANSPOSED
    taken = (lost * _shares(node, bound, lost, shape, is_transposed)).flatten(2).sum(2)
    of_groups = taken.reshape(groups, -1, taken.shape[1])
    product = "goi,gi->go" if not is_transposed else "gio,gi->go"
    return torch.einsum(product, of_groups, mean.values.reshape(groups, -1)).flatten()


def _shares(
    node: fx.Node, bound: dict[str, Any], weight: Tensor, shape: tuple[int, ...], is_transposed: bool
) -> Tensor:
    """For each number of a kernel, the share of the outputs in which it meets the input: it is 1 where nothing is laid around
    that."""
    kernel = weight.shape[2:]
    taps = math.prod(kernel)
    each = torch.eye(taps, dtype=torch.float64).reshape(taps, 1, *kernel)
    ones = torch.ones(1, 1, *shape[2:], dtype=torch.float64)
    given = bound | {
        "input": ones,
        "weight": each.transpose(0, 1) if is_transposed else each,
        "bias": None,
        "groups": 1,
    }
    met: Tensor = node.target(*given.values())  # type: ignore[operator]
    return met.flatten(2).mean(2).reshape(kernel)
