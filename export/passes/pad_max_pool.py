"""The borders of a max pooling as zeros, where nothing that is pooled is below zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, each_axis, shape_of

__all__ = ["PadMaxPool"]

aten = torch.ops.aten

_PLANE = 2
_NEVER_NEGATIVE = (
    aten.relu.default, aten.relu_.default, aten.relu6.default, aten.sigmoid.default, aten.hardsigmoid.default,
    aten.softmax.int, aten.abs.default, aten.exp.default,
)  # fmt: skip


@dataclass(frozen=True)
class PadMaxPool(Pass):
    """Pad what is pooled with zeros instead of negative infinity.

    PyTorch pads both sides alike, which no max pooling of LiteRT's does with a stride: litert-torch pads apart, with an
    operator for other numbers than zero, which XNNPACK does not take. Left alone: what may be below zero, and windows that
    reach over the edge in ceil mode.
    """

    law: ClassVar[str] = "max(x, -inf) = max(x, 0) for x >= 0: every window has a number of x"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.max_pool2d.default):
            bound = arguments(node)
            padding = each_axis(bound["padding"], _PLANE)
            if shape_of(node) is None or not any(padding) or bound["ceil_mode"]:
                continue
            if not _is_never_negative(bound["self"]):
                continue
            height, width = padding
            with rewriter.at(node):
                padded = rewriter.call(
                    aten.constant_pad_nd.default, bound["self"], [width, width, height, height], 0.0
                )
                bound |= {
                    "self": padded,
                    "padding": [0, 0],
                    "stride": bound["stride"] or bound["kernel_size"],
                }
                result = rewriter.call(node.target, *bound.values())
            sites.append(rewriter.replace(node, result))
        return sites


def _is_never_negative(node: fx.Node) -> bool:
    """Whether every number is zero or more, as far as its operator tells: what pools or pads with zeros keeps it so."""
    while node.op == "call_function" and _keeps_signs(node):
        node = node.args[0]  # type: ignore[assignment]
    if node.target in (aten.clamp.default, aten.hardtanh.default, aten.clamp_min.default):
        least = arguments(node).get("min", arguments(node).get("min_val"))
        return isinstance(least, (int, float)) and least >= 0
    return node.op == "call_function" and node.target in _NEVER_NEGATIVE


def _keeps_signs(node: fx.Node) -> bool:
    is_padding = node.target is aten.constant_pad_nd.default and arguments(node)["value"] == 0
    return is_padding or node.target in (aten.max_pool2d.default, aten.avg_pool2d.default)
