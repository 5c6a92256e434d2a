"""Probabilities instead of logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["AppendSoftmax"]

aten = torch.ops.aten


@dataclass(frozen=True)
class AppendSoftmax(Pass):
    """Give the first output as probabilities over its last axis: what a Core ML classifier must return."""

    law: ClassVar[str] = "new(x) = softmax(old(x))"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        output = rewriter.graph.output_node()
        values = list(output.args[0])  # type: ignore[arg-type]
        logits = values[0]
        assert isinstance(logits, fx.Node)
        with rewriter.at(output):
            values[0] = rewriter.call(aten.softmax.int, logits, -1)
            values[0].meta["custom"] = logits.meta["custom"]
        output.args = (tuple(values),)
        return [origin_of(logits)]
