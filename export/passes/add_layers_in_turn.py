"""A value plus a sum of layers is the value plus one layer, plus the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .layers import Layer
from .rewriter import Rewriter, alike, arguments

__all__ = ["AddLayersInTurn"]

aten = torch.ops.aten


@dataclass(frozen=True)
class AddLayersInTurn(Pass):
    """Add what two layers give to a value one after the other, not their sum: a runtime can add a value to what a
    layer gives while it computes it, once for each layer.

    Left alone when something else reads the sum or a layer, shapes differ, or a sum is scaled.
    """

    law: ClassVar[str] = "x + (a + b) = (x + a) + b"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for outer in rewriter.nodes(aten.add.Tensor):
            terms = _terms(outer)
            inner = next((term for term in terms if _is_sum_of_layers(rewriter, term, outer)), None)
            if inner is None:
                continue
            value = next(term for term in terms if term is not inner)
            first, second = _terms(inner)
            with rewriter.at(outer):
                begun = rewriter.call(aten.add.Tensor, value, first)
                whole = rewriter.call(aten.add.Tensor, begun, second)
            sites.append(rewriter.replace(outer, whole))
        return sites


def _terms(node: fx.Node) -> list[fx.Node]:
    """What a plain sum of two values that are like itself adds; empty for any other node."""
    if node.target is not aten.add.Tensor:
        return []
    bound = arguments(node)
    terms = [bound["self"], bound["other"]]
    if bound["alpha"] != 1 or terms[0] is terms[1]:
        return []
    return terms if all(isinstance(term, fx.Node) and alike(term, node) for term in terms) else []


def _is_sum_of_layers(rewriter: Rewriter, node: fx.Node, reader: fx.Node) -> bool:
    layers = _terms(node)
    return (
        bool(layers)
        and list(node.users) == [reader]
        and all(list(term.users) == [node] and Layer.read(rewriter, term) is not None for term in layers)
    )
