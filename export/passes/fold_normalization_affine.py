"""A normalization's gain and bias belong to the layers that read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .layers import Layer
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["FoldNormalizationAffine", "axis_after", "input_affine_folded", "layers_behind"]

aten = torch.ops.aten

_NORMS = (aten.group_norm.default, aten.layer_norm.default)


@dataclass(frozen=True)
class FoldNormalizationAffine(Pass):
    """Fold the gain and bias of a group or layer norm into all the layers that read it.

    The readers are linear layers and convolutions without padding, directly or through average
    pooling (an average of g x + b is g times the average, plus b), a mean over other axes, or a
    selection along other axes. One reader of another kind, and the norm is left alone.
    """

    law: ClassVar[str] = "W (g x + b) + c = (W diag g) x + (W b + c)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*_NORMS):
            bound = arguments(node)
            gain, shift = rewriter.constant(bound["weight"]), rewriter.constant(bound["bias"])
            shape = shape_of(node)
            if shape is None or (gain is None and shift is None):
                continue
            if rewriter.is_computed(bound["weight"]) or rewriter.is_computed(bound["bias"]):
                continue
            axis = _channel_axis(node, shape)
            readers = None if axis is None else layers_behind(rewriter, node, axis)
            if not readers:
                continue
            for reader in readers:
                weight, bias = input_affine_folded(reader, gain, shift)
                reader.rewritten(rewriter, weight, bias)
            origin = origin_of(node)
            with rewriter.at(node):
                plain = rewriter.call(node.target, *[*node.args[:2], None, None, bound["eps"]])
            rewriter.replace(node, plain, is_same_value=False)
            sites.append(origin)
        return sites


def _channel_axis(node: fx.Node, shape: tuple[int, ...]) -> int | None:
    """The axis that gain and bias run along; None for a layer norm over several axes."""
    if node.target is aten.group_norm.default:
        return 1
    return len(shape) - 1 if len(arguments(node)["normalized_shape"]) == 1 else None


def input_affine_folded(
    layer: Layer, gain: Tensor | None, shift: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The layer's weight and bias with the affine map of its input folded in."""
    weight, bias = layer.weight, layer.bias
    of_groups = weight.reshape(layer.groups, -1, *weight.shape[1:])
    if shift is not None:
        taken = of_groups.flatten(3).sum(-1) if weight.ndim > 2 else of_groups
        added = (taken * shift.reshape(layer.groups, 1, -1)).sum(2).flatten()
        bias = added if bias is None else bias + added
    if gain is not None:
        factor = gain.reshape(layer.groups, 1, -1, *[1] * (weight.ndim - 2))
        weight = (of_groups * factor).reshape(weight.shape)
    return weight, bias


def layers_behind(rewriter: Rewriter, source: fx.Node, axis: int) -> list[Layer] | None:
    """All layers that read ``source`` through operators that commute with the map; None if others do."""
    readers: list[Layer] = []
    for user in source.users:
        layer = Layer.read(rewriter, user)
        if layer is not None and layer.input is source and list(user.all_input_nodes).count(source) == 1:
            if layer.axis != axis or not layer.pads_nothing:
                return None
            readers.append(layer)
            continue
        passed_on = axis_after(user, source, axis)
        further = None if passed_on is None else layers_behind(rewriter, user, passed_on)
        if further is None:
            return None
        readers += further
    return readers


def axis_after(node: fx.Node, source: fx.Node, axis: int) -> int | None:
    """Where the channel axis is after ``node``, if ``node`` commutes with a per-channel affine map."""
    before, after = shape_of(source), shape_of(node)
    if before is None or after is None or node.op != "call_function" or node.args[0] is not source:
        return None
    rank = len(before)
    bound = arguments(node) if hasattr(node.target, "_schema") else {}
    if node.target is aten.avg_pool2d.default and axis == rank - 3:
        whole = not any(bound["padding"]) and not bound["ceil_mode"] and bound["divisor_override"] is None
        return axis if whole else None
    if node.target is aten.adaptive_avg_pool2d.default and axis == rank - 3:
        return axis
    if node.target is aten.mean.dim and bound["dim"]:  # no axes mean all of them
        dims = {dim % rank for dim in bound["dim"]}
        if axis in dims or bound["dtype"] is not None:
            return None
        return axis if bound["keepdim"] else axis - sum(dim < axis for dim in dims)
    if node.target is aten.select.int and bound["dim"] % rank != axis:
        return axis - int(bound["dim"] % rank < axis)
    if node.target is aten.slice.Tensor and bound["dim"] % rank != axis:
        return axis
    if node.target is aten.reshape.default and rank > axis:
        # (B, C, 1, 1) to (B, C): nothing but axes of size one disappears behind the channels.
        squeezed = before[axis] == after[axis] if len(after) > axis else False
        return axis if squeezed and after == before[: axis + 1] and set(before[axis + 1 :]) <= {1} else None
    return None
