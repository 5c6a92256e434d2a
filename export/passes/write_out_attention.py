"""Attention in the forms that torch.onnx does not convert, as products and a softmax."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, shape_of

__all__ = ["WriteOutAttention"]

aten = torch.ops.aten


@dataclass(frozen=True)
class WriteOutAttention(Pass):
    """Write attention as PyTorch computes it where it has other than four axes, a mask, a triangle of more or fewer keys than
    queries, or fewer heads of keys than of queries; or ``everywhere``.

    torch.onnx takes queries, keys and values of four axes alone, and gives no number where a row is masked whole, for which
    PyTorch gives zeros (``_safe_softmax`` in ``aten/src/ATen/native/transformers/attention.cpp``).
    """

    law: ClassVar[str] = (
        "attention(q, k, v, m) = softmax(scale q k' + m) v, and 0 for a query all of whose keys are masked"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    everywhere: bool = False

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        form = partial(_written_out, everywhere=self.everywhere)
        return rewriter.write_out({aten.scaled_dot_product_attention.default: form})


def _written_out(
    rewriter: Rewriter, node: fx.Node, bound: dict[str, Any], *, everywhere: bool
) -> fx.Node | None:
    q, k, v, mask = (bound[name] for name in ("query", "key", "value", "attn_mask"))
    shapes = [shape_of(item) for item in (q, k, v)]
    if None in shapes or bound["dropout_p"]:
        return None
    q_shape, k_shape, v_shape = (shape or () for shape in shapes)
    is_plain = (
        len({len(q_shape), len(k_shape), len(v_shape), 4}) == 1 and q_shape[1] == k_shape[1] == v_shape[1]
    )
    if is_plain and mask is None and not bound["is_causal"] and not everywhere:
        return None
    if bound["enable_gqa"]:
        k, v = (_repeated(rewriter, item, q_shape[-3]) for item in (k, v))
    scale = bound["scale"] if bound["scale"] is not None else 1 / math.sqrt(q_shape[-1])
    scores = rewriter.call(
        aten.matmul.default,
        rewriter.call(aten.mul.Tensor, q, scale),
        rewriter.call(aten.transpose.int, k, -2, -1),
    )
    if bound["is_causal"]:
        mask = rewriter.new_constant(_triangle(q_shape[-2], k_shape[-2]), node)
    scores, is_seen = _masked(rewriter, node, scores, mask)
    result = rewriter.call(aten.matmul.default, rewriter.call(aten.softmax.int, scores, -1), v)
    if is_seen is None:
        return result
    return rewriter.call(aten.where.self, is_seen, result, _number(rewriter, node, 0.0))


def _repeated(rewriter: Rewriter, heads: fx.Node, count: int) -> fx.Node:
    """Each head as often as it is one of ``count``, one after the other."""
    *before, own, length, size = shape_of(heads) or ()
    if own == count:
        return heads
    apart = rewriter.call(aten.unsqueeze.default, heads, -3)
    often = rewriter.call(aten.expand.default, apart, [*before, own, count // own, length, size])
    return rewriter.call(aten.reshape.default, often, [*before, count, length, size])


def _triangle(queries: int, keys: int) -> torch.Tensor:
    """As many keys as the query's place, whatever their number."""
    is_seen = torch.ones(queries, keys, dtype=torch.bool).tril()
    return torch.zeros(queries, keys, dtype=torch.float64).masked_fill(~is_seen, -math.inf)


def _masked(
    rewriter: Rewriter, node: fx.Node, scores: fx.Node, mask: fx.Node | None
) -> tuple[fx.Node, fx.Node | None]:
    """The scores with the mask, finite in each row, and whether a row sees a key; None if all do."""
    if mask is None:
        return scores, None
    constant = rewriter.constant(mask)
    if constant is not None:
        return _masked_by_a_constant(rewriter, node, scores, constant)
    lowest = _number(rewriter, node, -math.inf)
    if mask.meta["val"].dtype is torch.bool:
        is_seen = rewriter.call(aten.any.dim, mask, -1, True)
        scores = rewriter.call(aten.where.self, mask, scores, lowest)
    else:
        is_seen = rewriter.call(aten.gt.Scalar, rewriter.call(aten.amax.default, mask, [-1], True), -math.inf)
        scores = rewriter.call(aten.add.Tensor, scores, mask)
    return rewriter.call(aten.where.self, is_seen, scores, _number(rewriter, node, 0.0)), is_seen


def _masked_by_a_constant(
    rewriter: Rewriter, node: fx.Node, scores: fx.Node, mask: torch.Tensor
) -> tuple[fx.Node, fx.Node | None]:
    if mask.dtype is torch.bool:
        mask = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -math.inf)
    is_seen = (mask > -math.inf).any(-1, keepdim=True)
    added = rewriter.new_constant(torch.where(is_seen, mask, 0.0), node)
    scores = rewriter.call(aten.add.Tensor, scores, added)
    return scores, None if bool(is_seen.all()) else rewriter.new_constant(is_seen, node)


def _number(rewriter: Rewriter, like: fx.Node, number: float) -> fx.Node:
    return rewriter.new_constant(torch.tensor(number, dtype=torch.float64), like)
