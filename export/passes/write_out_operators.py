"""Operators that a converter does not know, by others that it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Form, Rewriter, shape_of

__all__ = ["WriteOutOperators"]

aten = torch.ops.aten


@dataclass(frozen=True)
class WriteOutOperators(Pass):
    """Write what coremltools has no conversion for: means of two tensors by a weight (``lerp``), ``hardshrink``,
    ``celu``, what is before and behind the point (``trunc``, ``frac``), padding that goes round, and choices between numbers of two types."""

    law: ClassVar[str] = (
        "lerp(x, y, w) = x + w (y - x) if |w| < 1/2 else y - (1 - w) (y - x); hardshrink(x, l) = 0 if |x| <= l else x; "
        "celu(x, a) = x if x > 0 else a elu(x / a); "
        "trunc(x) = ceil(x) if x < 0 else floor(x); frac(x) = x - trunc(x); "
        "pad(x, circular) = cat(the last of x, x, the first of x); where(c, x, y) = where(c, t(x), t(y)), t the result's type"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(_WRITTEN_OUT)


def _mean_of_two(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    start, end, weight = bound["self"], bound["end"], bound["weight"]
    step = rewriter.call(aten.sub.Tensor, end, start)
    if not isinstance(weight, fx.Node):
        if abs(weight) < 0.5:
            return rewriter.call(aten.add.Tensor, start, rewriter.call(aten.mul.Tensor, step, weight))
        return rewriter.call(aten.sub.Tensor, end, rewriter.call(aten.mul.Tensor, step, 1 - weight))
    is_small = rewriter.call(aten.lt.Scalar, rewriter.call(aten.abs.default, weight), 0.5)
    near = rewriter.call(aten.add.Tensor, start, rewriter.call(aten.mul.Tensor, step, weight))
    rest = rewriter.call(aten.rsub.Scalar, weight, 1)
    far = rewriter.call(aten.sub.Tensor, end, rewriter.call(aten.mul.Tensor, step, rest))
    return rewriter.call(aten.where.self, is_small, near, far)


def _hardshrink(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x = bound["self"]
    is_small = rewriter.call(aten.le.Scalar, rewriter.call(aten.abs.default, x), bound["lambd"])
    return rewriter.call(aten.where.self, is_small, _number(rewriter, node, 0), x)


def _celu(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x, alpha = bound["self"], bound["alpha"]
    scaled = rewriter.call(aten.mul.Tensor, x, 1 / alpha)
    below = rewriter.call(aten.mul.Tensor, rewriter.call(aten.elu.default, scaled, 1.0), alpha)
    is_above = rewriter.call(aten.gt.Scalar, x, 0)
    return rewriter.call(aten.where.self, is_above, x, below)


def _whole_part(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x = bound["self"]
    if not x.meta["val"].is_floating_point():
        return None
    below, above = rewriter.call(aten.floor.default, x), rewriter.call(aten.ceil.default, x)
    return rewriter.call(aten.where.self, rewriter.call(aten.lt.Scalar, x, 0), above, below)


def _fraction(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    whole = _whole_part(rewriter, node, bound)
    return rewriter.call(aten.sub.Tensor, bound["self"], whole)


def _round_about(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """Axis after axis, the last first, as ``pad`` lists them."""
    result: fx.Node = bound["self"]
    widths = bound["pad"]
    if bound["mode"] != "circular" or min(widths) < 0:
        return None
    rank = len(shape_of(node) or ())
    for place in range(len(widths) // 2):
        before, after = widths[2 * place : 2 * place + 2]
        axis, parts = rank - 1 - place, [result]
        size = (shape_of(result) or ())[axis]
        if before:
            parts.insert(0, rewriter.call(aten.slice.Tensor, result, axis, size - before, size))
        if after:
            parts.append(rewriter.call(aten.slice.Tensor, result, axis, 0, after))
        if len(parts) > 1:
            result = rewriter.call(aten.cat.default, parts, axis)
    return result


def _of_one_type(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    kind, changed, chosen = node.meta["val"].dtype, False, []
    for value in (bound["self"], bound["other"]):
        if not isinstance(value, fx.Node):
            value, changed = _number(rewriter, node, value), True
        elif value.meta["val"].dtype != kind:
            value, changed = rewriter.call(aten._to_copy.default, value, dtype=kind), True
        chosen.append(value)
    return rewriter.call(aten.where.self, bound["condition"], *chosen) if changed else None


def _number(rewriter: Rewriter, like: fx.Node, number: float) -> fx.Node:
    kind = like.meta["val"].dtype
    return rewriter.new_constant(
        torch.tensor(number, dtype=torch.float64 if kind.is_floating_point else kind), like
    )


_WRITTEN_OUT: dict[object, Form] = {
    aten.lerp.Scalar: _mean_of_two,
    aten.lerp.Tensor: _mean_of_two,
    aten.hardshrink.default: _hardshrink,
    aten.celu.default: _celu,
    aten.trunc.default: _whole_part,
    aten.fix.default: _whole_part,
    aten.frac.default: _fraction,
    aten.pad.default: _round_about,
    aten.where.self: _of_one_type,
    aten.where.Scalar: _of_one_type,
    aten.where.ScalarSelf: _of_one_type,
    aten.where.ScalarOther: _of_one_type,
}
