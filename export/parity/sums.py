"""What a sum loses on its way, beyond the rounding of its result.

Kernels keep partial sums. Taken in any order, the mean square of the partial sums of n terms t with the sum s is about
(s^2 + sum(t^2)) / 3, and each addition rounds one of them either way: together they lose a rounding of that size times the
square root of n (Higham and Mary, A new approach to probabilistic rounding error analysis, 2019). Where terms cancel, that
is more beside the result. Weights of a resizing are as exact as the places that they are computed from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, fx

from ..reference.conditioning import (
    axis_of_the_same,
    share_of_others,
    statistics,
    terms,
)
from ..reference.natures import nature_of_node, operator_name
from ..reference.resizing import lost_by_places, resizes
from ..reference.wide import Call
from .group import AVERAGES, Group, partial_sums
from .walk import largest_finite

__all__ = ["largest_partial", "largest_rounded", "least_lost", "lost", "lost_to_the_same", "only_sum"]

# Of a square root of the number of terms; the largest seen is 0.94, over 800 convolutions and products in ONNX Runtime,
# torch and the reference runtime, and as much where all terms are positive; 1.0 over 200 convolutions in XNNPACK.
_LOST = 1.5
_BLOCK = 1024  # products, from which on kernels add up by blocks: 0.08 is the largest seen of 3,000, 0.06 of 25,000
_SAME = (
    0.25  # of the number of terms, where the same number is added again and again; 0.19 is the largest seen
)
# Of the side's length times the largest step between neighbours; 1.3 is the largest seen, of sides from 4 to 256.
_PLACES = 2.0

_MEANS = (*AVERAGES, "sum", "cumsum")
_ATTENTION = "scaled_dot_product_attention"


def only_sum(group: Group) -> fx.Node | None:
    """The one node of the group that computes, if it is a sum whose terms are known; None otherwise."""
    computing = group.computing
    if len(computing) != 1 or nature_of_node(computing[0]) != "sums":
        return None
    return None if operator_name(computing[0].target) == _ATTENTION else computing[0]


def least_lost(group: Group) -> float:
    """What the group's sums lose where nothing cancels, in roundings of the type that they are kept in, of their largest
    result."""
    found = 0.0
    for node in group.nodes:
        if nature_of_node(node) == "sums":
            examples = {
                source: group.leaves.get(source, source.meta.get("val")) for source in node.all_input_nodes
            }
            found += _LOST * _growth(node, terms(node, examples))
    return found


@torch.no_grad()
def lost(group: Group, node: fx.Node) -> float:
    """What a sum of the group loses at most on the numbers that it is given, over the roundoff of that type."""
    values = {**group.leaves, **group.computed()}
    count = terms(node, values)
    size = _largest_partial_sum(node, values)
    places = _PLACES * lost_by_places(node, values) if resizes(node) else 0.0
    return _LOST * _growth(node, count) * size + places


@torch.no_grad()
def lost_to_the_same(group: Group) -> float:
    """What sums of mostly one number lose besides, over the same roundoff: it is rounded the same way each time, and nothing
    cancels (the mean of a flat image, attention to tokens that are all alike). Where others come first, each addition may lose
    a whole rounding of the result."""
    values = {**group.leaves, **group.computed()}
    found = 0.0
    for node in group.nodes:
        if nature_of_node(node) == "sums" and axis_of_the_same(node, values) is not None:
            result = values[node]
            assert isinstance(result, Tensor)
            of_each = _SAME + (1 - _SAME) * share_of_others(node, values)
            found += of_each * terms(node, values) * largest_finite(result)
    return found


@torch.no_grad()
def largest_rounded(group: Group) -> float | None:
    """Of a sum or a normalization that is written out in several steps, the largest number that is rounded in between: a
    partial sum, or the mean that is subtracted, as large as it is beside the result. None of other groups."""
    node = group.computing[0] if len(group.computing) == 1 else None
    if node is None:
        return None
    values = {**group.leaves, **group.computed()}
    if node == only_sum(group):
        return _largest_partial_sum(node, values)
    found = statistics(node, values) if nature_of_node(node) == "normalizes" else None
    result = group.result(values)
    if found is None or not isinstance(result, Tensor):
        return None
    return largest_finite(found.mean) * float(result.square().mean().sqrt())


def _largest_partial_sum(node: fx.Node, values: Mapping[fx.Node, object]) -> float:
    found = partial_sums(Call(node), values, values[node])
    assert found is not None
    return largest_finite(found)


@torch.no_grad()
def largest_partial(group: Group, node: fx.Node) -> float:
    """The most that a partial sum of the node can come to: all terms of one sign. A mean is divided at its end."""
    values = {**group.leaves, **group.computed()}
    sizes = Call(node).wide({source: _magnitude(values[source]) for source in node.all_input_nodes})
    assert isinstance(sizes, Tensor)
    count = terms(node, values) if operator_name(node.target) in AVERAGES else 1
    return count * largest_finite(sizes)


def _growth(node: fx.Node, count: int) -> float:
    """The square root of the number of terms; of products beyond a block, of those that blocks add."""
    if count <= _BLOCK or operator_name(node.target) in _MEANS:
        return math.sqrt(count)
    return math.sqrt(_BLOCK) * math.sqrt(math.sqrt(count / _BLOCK))


def _magnitude(value: object) -> object:
    return value.abs() if isinstance(value, Tensor) and value.is_floating_point() else value
