"""Sums of one operand's numbers, and the most that a partial sum of them can come to."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, fx

from .natures import operator_name
from .wide import Call

__all__ = ["largest_on_the_way"]

_OF_ONE = (
    "sum", "mean", "cumsum", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d",
)  # fmt: skip


@torch.no_grad()
def largest_on_the_way(node: fx.Node, values: Mapping[fx.Node, object]) -> Tensor | None:
    """At each place, the sum or the mean of the terms' magnitudes, which no partial sum exceeds: where all are zero nothing is
    rounded, and where all have one sign nothing is lost beside the result. None of other operators."""
    operand = values[node.all_input_nodes[0]] if operator_name(node.target) in _OF_ONE else None
    if not isinstance(operand, Tensor) or not operand.is_floating_point():
        return None
    found = Call(node).wide({node.all_input_nodes[0]: operand.abs()})
    return found if isinstance(found, Tensor) else None
