"""Gains, biases, statistics and slopes that are computed, where a converter takes constants alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Form, Rewriter, shape_of

__all__ = ["WriteOutComputed"]

aten = torch.ops.aten


@dataclass(frozen=True)
class WriteOutComputed(Pass):
    """Write behind a layer, as operators of their own, what Core ML takes in it as constants alone and a model computes: the
    bias of a dynamic convolution, gains and biases of a norm that another branch decides, its statistics, a rectifier's
    slope. What is known stays."""

    law: ClassVar[str] = (
        "conv(x, w, b) = conv(x, w) + b; norm(x, g, b) = g norm(x) + b; batch_norm(x, m, v) = (x - m) / sqrt(v + e); "
        "prelu(x, s) = x if x > 0 else s x"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(_WRITTEN_OUT)


def _computed_bias(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """What is added to each channel, and is not known before it runs, is added behind the convolution."""
    bias = bound["bias"]
    if bias is None or rewriter.constant(bias) is not None:
        return None
    result = rewriter.call(node.target, *(bound | {"bias": None}).values())
    spatial = len(shape_of(bound["weight"]) or ()) - 2
    return rewriter.call(
        aten.add.Tensor, result, rewriter.call(aten.reshape.default, bias, [-1] + [1] * spatial)
    )


def _computed_statistics(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """A batch norm of what is not known before it runs."""
    given = [bound[name] for name in ("weight", "bias", "running_mean", "running_var")]
    if bound["training"] or all(item is None or rewriter.constant(item) is not None for item in given):
        return None
    result: fx.Node = rewriter.write(_normalized, bound["input"], *given, bound["eps"])
    return result


def _normalized(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, eps: float
) -> Tensor:
    by_channel = [1, -1] + [1] * (x.ndim - 2)
    result = (x - mean.reshape(by_channel)) * (variance.reshape(by_channel) + eps).rsqrt()
    result = result if weight is None else result * weight.reshape(by_channel)
    return result if bias is None else result + bias.reshape(by_channel)


def _computed_affine(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """A norm whose gains and biases are not known before it runs has none, and they follow."""
    gains = [bound["weight"], bound["bias"]]
    if all(item is None or rewriter.constant(item) is not None for item in gains):
        return None
    plain = rewriter.call(node.target, *(bound | {"weight": None, "bias": None}).values())
    is_last = node.target is aten.layer_norm.default  # the others have one of each for a channel
    result: fx.Node = rewriter.write(_scaled, plain, *gains, is_last)
    return result


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None, is_last: bool) -> Tensor:
    for change, gain in ((torch.mul, weight), (torch.add, bias)):
        if gain is not None:
            x = change(x, gain if is_last else gain.reshape([-1] + [1] * (x.ndim - 2)))
    return x


def _computed_slope(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    if rewriter.constant(bound["weight"]) is not None:
        return None
    result: fx.Node = rewriter.write(_sloping, bound["self"], bound["weight"])
    return result


def _sloping(x: Tensor, slope: Tensor) -> Tensor:
    by_channel = [-1] + [1] * (x.ndim - 2) if slope.numel() > 1 else [1] * x.ndim
    return torch.where(x > 0, x, x * slope.reshape(by_channel))


_CONVOLUTIONS = (
    aten.conv1d.default, aten.conv2d.default, aten.conv3d.default, aten.conv1d.padding, aten.conv2d.padding, aten.conv3d.padding,
    aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input,
)  # fmt: skip
_WRITTEN_OUT: dict[object, Form] = {
    **dict.fromkeys(_CONVOLUTIONS, _computed_bias),
    aten.batch_norm.default: _computed_statistics,
    aten.layer_norm.default: _computed_affine,
    aten.group_norm.default: _computed_affine,
    aten.instance_norm.default: _computed_affine,
    aten.prelu.default: _computed_slope,
}
