"""Convolutions and linear layers as one thing: weights times the input along a channel axis, plus a bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from .rewriter import Rewriter, arguments, carry_notes, shape_of

__all__ = ["LAYERS", "TRANSPOSED", "Layer", "along_axis", "per_channel"]

aten = torch.ops.aten

_CONVOLUTIONS = {
    aten.conv1d.default, aten.conv2d.default, aten.conv3d.default,
    aten.conv1d.padding, aten.conv2d.padding, aten.conv3d.padding,
}  # fmt: skip
LAYERS = (*sorted(_CONVOLUTIONS, key=str), aten.linear.default)
TRANSPOSED = {
    aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input,
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer with constant weights, in float64.

    weight: (out, in / groups, *kernel); bias: (out,) or None; ``axis`` is the channel axis of
    the output (1 for a convolution, the last for a linear layer). The weight of a transposed convolution is (in,
    out / groups, *kernel).
    """

    node: fx.Node
    input: fx.Node
    weight: Tensor
    bias: Tensor | None
    groups: int
    axis: int
    is_transposed: bool = False

    @classmethod
    def read(cls, rewriter: Rewriter, node: object, *, transposed: bool = False) -> Layer | None:
        """The layer at ``node``; None if it is not one, has no batch, or its weights are computed. Transposed convolutions
        are none, unless they are asked for."""
        if not isinstance(node, fx.Node) or shape_of(node) is None:
            return None
        is_transposed = transposed and node.target in TRANSPOSED
        if node.target not in LAYERS and not is_transposed:
            return None
        bound = arguments(node)
        weight, bias = rewriter.constant(bound["weight"]), rewriter.constant(bound["bias"])
        if weight is None or not weight.is_floating_point() or rewriter.is_computed(bound["bias"]):
            return None
        if weight.ndim < 2 or (bias is not None and bias.ndim != 1):
            return None  # linear also takes a vector as weight, and a bias that broadcasts
        rank = len(shape_of(node) or ())
        is_linear = node.target is aten.linear.default
        if rank != weight.ndim and not is_linear:
            return None  # an image without its batch: the channel axis is another one
        axis = rank - 1 if is_linear else 1
        groups = int(bound.get("groups", 1))
        return cls(node, bound["input"], weight, bias, groups, axis, is_transposed)

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return self.weight.shape[1] * self.groups if self.is_transposed else self.weight.shape[0]

    @property
    def pads_nothing(self) -> bool:
        """Whether every output is made of inputs alone, so that adding a constant to the input is exact."""
        padding = arguments(self.node).get("padding", 0)
        return (
            padding == "valid"
            or (padding != "same" and not any(_as_list(padding)))
            or self._is_pointwise_same
        )

    @property
    def _is_pointwise_same(self) -> bool:
        return arguments(self.node).get("padding") == "same" and all(
            size == 1 for size in self.weight.shape[2:]
        )

    def rebuild(
        self,
        rewriter: Rewriter,
        weight: Tensor,
        bias: Tensor | None,
        *,
        input: fx.Node | None = None,
        groups: int | None = None,
    ) -> fx.Node:
        """The same layer with other constants (and input, and groups), before the current place."""
        bound = arguments(self.node)
        weight_node = rewriter.new_constant(weight, self.node)
        bias_node = None if bias is None else rewriter.new_constant(bias, self.node)
        bound |= {"input": input or self.input, "weight": weight_node, "bias": bias_node}
        if groups is not None:
            bound["groups"] = groups
        return rewriter.call(self.node.target, *bound.values())

    def scaled(self, rewriter: Rewriter, scale: Tensor, shift: Tensor | None = None) -> fx.Node:
        """The layer in its own place, what it gives times ``scale``, plus ``shift``: numbers by output channel."""
        if self.is_transposed:
            of_groups = self.weight.reshape(self.groups, -1, *self.weight.shape[1:])
            factor = scale.reshape(self.groups, 1, -1, *[1] * (self.weight.ndim - 2))
            weight = (of_groups * factor).flatten(0, 1)
        else:
            weight = self.weight * per_channel(scale, self.weight.ndim, 0)
        bias = None if self.bias is None else self.bias * scale
        if shift is not None:
            bias = shift if bias is None else bias + shift
        return self.rewritten(rewriter, weight, bias)

    def rewritten(self, rewriter: Rewriter, weight: Tensor, bias: Tensor | None) -> fx.Node:
        """The same layer with other constants, in its own place; the old node is left without users."""
        with rewriter.at(self.node):
            new = self.rebuild(rewriter, weight, bias)
        carry_notes(self.node, new)
        self.node.replace_all_uses_with(new)
        rewriter.graph.erase_node(self.node)
        return new


def per_channel(vector: Tensor, rank: int, axis: int) -> Tensor:
    """``vector`` (C,) shaped to broadcast along ``axis`` of a tensor of ``rank`` dimensions."""
    return vector.reshape([-1 if dim == axis % rank else 1 for dim in range(rank)])


def along_axis(constant: Tensor, rank: int, axis: int, size: int) -> Tensor | None:
    """``constant`` as one number for each of the ``size`` places along ``axis`` of a tensor of ``rank`` dimensions that it
    broadcasts to; None where it varies along others."""
    if constant.numel() == 1 and constant.ndim <= rank:
        return constant.reshape(1).expand(size)
    if constant.ndim > rank:
        return None
    sizes = (1,) * (rank - constant.ndim) + tuple(constant.shape)
    varies = [place for place, extent in enumerate(sizes) if extent != 1]
    return constant.reshape(-1) if varies == [axis] else None


def _as_list(value: Any) -> list[int]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
