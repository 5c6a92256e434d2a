"""Attention that never transposes the large tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, shape_of
from .split_by_chunk import permute_order

__all__ = ["TransposeProducts"]

aten = torch.ops.aten


@dataclass(frozen=True)
class TransposeProducts(Pass):
    """Rewrite (softmax(A B) V) transposed so that A, which is itself a transpose, is read as it lies.

    For attention over feature maps (channels first), A and the output are the largest tensors and
    the reference transposes both. With ``keys_first`` the softmax runs along the first axis of
    B'A' and nothing large is transposed; without it the softmax keeps the last axis, and the
    attention map is transposed instead, which ONNX Runtime absorbs into its matrix product.
    Left alone when something else reads an intermediate value.
    """

    law: ClassVar[str] = "(softmax(A B) V)' = V' softmax(A B)' and softmax(A B)' = softmax'(B' A')"
    exactness: ClassVar[Exactness] = Exactness.REAL

    keys_first: bool = True

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.transpose.int, aten.permute.default):
            if not _swaps_last_two(node):
                continue
            product = _sole(node.args[0], aten.matmul.default)
            softmax = _sole(product and product.args[0], aten.softmax.int)
            scores = _sole(softmax and softmax.args[0], aten.matmul.default)
            if product is None or softmax is None or scores is None:
                continue
            rank = len(shape_of(scores) or ())
            a, b, v = scores.args[0], scores.args[1], product.args[1]
            if arguments(softmax)["dim"] % max(rank, 1) != rank - 1 or not _swaps_last_two(a):
                continue
            if not (_is_matrix(b) and _is_matrix(v)):
                continue
            sites.append(origin_of(product))
            with rewriter.at(node):
                if self.keys_first:
                    scores = rewriter.call(
                        aten.matmul.default, _transposed(rewriter, b), _transposed(rewriter, a)
                    )
                    attention = rewriter.call(aten.softmax.int, scores, -2, arguments(softmax)["dtype"])
                else:
                    attention = rewriter.call(aten.transpose.int, softmax, -2, -1)
                replacement = rewriter.call(aten.matmul.default, _transposed(rewriter, v), attention)
            rewriter.replace(node, replacement)
        return sites


def _transposed(rewriter: Rewriter, node: Any) -> Any:
    """``node`` with its last two axes swapped; a transpose of a transpose is the original."""
    if _swaps_last_two(node):
        return node.args[0]
    return rewriter.call(aten.transpose.int, node, -2, -1)


def _swaps_last_two(node: object) -> bool:
    order = permute_order(node) if isinstance(node, fx.Node) else None
    if order is None or len(order) < 2:
        return False
    last = len(order) - 1
    return order == [*range(last - 1), last, last - 1]


def _is_matrix(node: Any) -> bool:
    """Whether ``node`` has rows and columns; a product also takes vectors, which have no transpose."""
    return len(shape_of(node) or ()) >= 2


def _sole(node: object, target: object) -> fx.Node | None:
    """``node`` if it calls ``target`` and has one user."""
    if isinstance(node, fx.Node) and node.target is target and len(node.users) == 1:
        return node
    return None
