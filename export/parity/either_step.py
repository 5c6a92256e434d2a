"""What passes of a layer that rounds what it reads by its range: a number that lies within a rounding of the edge between two steps
may be either, and each may be another than here."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, fx

from ..passes.layers import LAYERS
from ..passes.rewriter import arguments
from ..passes.stored import round_by_range
from ..reference.natures import nature_of_node, operator_name
from ..reference.wide import Call
from .group import Group

__all__ = ["by_either_step"]

_STEPS = 255.0
_SUMS = ("add", "sub")


@torch.no_grad()
def by_either_step(group: Group, want: Tensor, roundoff: float) -> Tensor:
    """The most that those numbers move the group's result at each place, where ``roundoff`` is what may be lost of each."""
    rounding = [node for node in group.nodes if node.target is round_by_range]
    found = torch.zeros_like(want)
    values = {**group.leaves, **group.computed()}
    for node in rounding:
        value, axes = values[node.all_input_nodes[0]], node.args[1]
        assert isinstance(value, Tensor)
        moved = {node: _undecided(value, axes, roundoff)}  # type: ignore[arg-type]  # a list of numbers
        for later in group.nodes[group.nodes.index(node) + 1 :]:
            if moved.keys().isdisjoint(later.all_input_nodes):
                continue
            reached = _through(later, moved, values)
            if reached is not None:
                moved[later] = reached
        found = found + moved[group.nodes[-1]] if group.nodes[-1] in moved else found
    return found


def _undecided(value: Tensor, axes: list[int], roundoff: float) -> Tensor:
    """A step where the number may be either of two, and 0 elsewhere."""
    low, high = value.amin(axes, keepdim=True).clamp(max=0), value.amax(axes, keepdim=True).clamp(min=0)
    step = torch.where(low == high, 0.0, (high - low) / _STEPS)
    places = torch.where(step > 0, value / step, 0.0)
    ends = torch.where(step > 0, torch.stack((low / step, high / step)), 0.0)
    is_either = _is_half(places, roundoff)
    # Where zero may be either of two steps, the range ends a step earlier or later.
    is_end = (places < ends[0] + 1) | (places > ends[1] - 1)
    return torch.where(is_either | (is_end & _is_half(ends, roundoff).any(0)), step, 0.0)


def _is_half(places: Tensor, roundoff: float) -> Tensor:
    return ((places - places.floor()) - 0.5).abs() <= roundoff * (_STEPS + places.abs())


def _through(
    node: fx.Node, moved: Mapping[fx.Node, Tensor], values: Mapping[fx.Node, object]
) -> Tensor | None:
    """How far the node's result moves at most: a layer's by its weights' magnitudes, a sum's by all that it is given, and no farther
    where numbers are only moved or clipped. None of what else may make more of it."""
    given = [moved[source] for source in node.all_input_nodes if source in moved]
    if node.target in LAYERS:
        return _of_layer(node, moved, values)
    if nature_of_node(node) != "moves" and operator_name(node.target) not in _SUMS:
        return None
    result = values[node]
    if isinstance(result, Tensor) and all(each.shape == result.shape for each in given):
        return torch.stack(given).sum(0)
    found = Call(node).wide({**values, **moved})
    return found if isinstance(found, Tensor) else None


def _of_layer(node: fx.Node, moved: Mapping[fx.Node, Tensor], values: Mapping[fx.Node, object]) -> Tensor:
    given = arguments(node)
    weight, bias = values[given["weight"]], values.get(given["bias"])
    assert isinstance(weight, Tensor)
    none = {given["bias"]: torch.zeros_like(bias)} if isinstance(bias, Tensor) else {}
    found = Call(node).wide({**values, **moved, given["weight"]: weight.abs(), **none})
    assert isinstance(found, Tensor)
    return found
