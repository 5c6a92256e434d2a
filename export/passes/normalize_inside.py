"""Preprocessing as the model's first operators, so that an app passes plain pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ..source.preprocessing import Preprocessing
from ..source.signature import TensorSpec
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["NormalizeInside"]

aten = torch.ops.aten


@dataclass(frozen=True)
class NormalizeInside(Pass):
    """Let the inputs named here be pixel values, 0 to 255, and normalize them in the graph.

    Written as one subtraction and one multiplication; :class:`FoldInputScale` then removes the
    multiplication. The subtraction stays: zero padding comes after it.
    """

    law: ClassVar[str] = "new(pixels) = old((scale pixels - mean) / std)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    inputs: tuple[TensorSpec, ...] = ()
    preprocessing: Mapping[str, Preprocessing] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "normalize_inside"

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        placeholders = [node for node in rewriter.graph.nodes if node.op == "placeholder"]
        for node, spec in zip(placeholders, self.inputs, strict=True):
            rule = self.preprocessing.get(spec.name)
            if rule is not None:
                _normalize(rewriter, node, rule)
                sites.append(origin_of(node))
        return sites


def _normalize(rewriter: Rewriter, node: fx.Node, rule: Preprocessing) -> None:
    users = list(node.users)
    column = (1, -1, 1, 1)
    mean = torch.tensor(rule.mean, dtype=torch.float64) / rule.scale
    gain = rule.scale / torch.tensor(rule.std, dtype=torch.float64)
    with rewriter.at(node.next):
        centred = rewriter.call(aten.sub.Tensor, node, rewriter.new_constant(mean.reshape(column), node))
        result = rewriter.call(aten.mul.Tensor, centred, rewriter.new_constant(gain.reshape(column), node))
    for user in users:
        user.replace_input_with(node, result)
