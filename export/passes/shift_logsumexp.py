"""The logarithm of a sum of exponentials, of what lies below the largest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["ShiftLogsumexp"]

aten = torch.ops.aten

_END = 65504.0  # of float16


@dataclass(frozen=True)
class ShiftLogsumexp(Pass):
    """Subtract the largest number before the exponentials, and add it to the logarithm.

    Core ML's operator does not: on the Neural Engine 32 channels above 7.6, whose exponentials add up to what float16 ends at, give
    0 (coremltools' issue 2690). Below the largest no exponential is above 1. The shift stays within float16, so that infinite
    numbers give what they gave. Left alone: what is such a difference already, as :class:`.LowerLogSoftmax` writes it.
    """

    law: ClassVar[str] = "log sum exp(x) = m + log sum exp(x - m) for any m, here max(x)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out({aten.logsumexp.default: _shifted})


def _shifted(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x, axes = bound["self"], bound["dim"]
    if not x.meta["val"].is_floating_point() or not x.meta["val"].ndim or _is_shifted(x):
        return None
    largest = rewriter.call(aten.amax.default, x, axes, True)
    shift = rewriter.call(aten.clamp.default, largest, -_END, _END)
    below = rewriter.call(aten.sub.Tensor, x, shift)
    total = rewriter.call(aten.logsumexp.default, below, axes, True)
    result = rewriter.call(aten.add.Tensor, total, shift)
    return result if bound["keepdim"] else rewriter.call(aten.squeeze.dims, result, axes)


def _is_shifted(x: fx.Node) -> bool:
    """Whether it is a difference from its own largest."""
    if x.target is not aten.sub.Tensor:
        return False
    value, shift = x.args[:2]
    if isinstance(shift, fx.Node) and shift.target is aten.clamp.default:
        shift = shift.args[0]
    return isinstance(shift, fx.Node) and shift.target is aten.amax.default and shift.args[0] is value
