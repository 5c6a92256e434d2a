"""Every output a value of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .rewriter import Rewriter, shape_of

__all__ = ["SeparateOutputs"]

aten = torch.ops.aten


@dataclass(frozen=True)
class SeparateOutputs(Pass):
    """Copy what is returned twice, and inputs and constants that are returned as they are: coremltools names each value
    once."""

    law: ClassVar[str] = "(x, x) = (x, copy(x))"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        output = rewriter.graph.output_node()
        seen: set[fx.Node] = set()
        sites: list[Origin] = []
        values: list[fx.Node] = []
        for value in output.args[0]:  # type: ignore[union-attr] # every trace's output is flat
            assert isinstance(value, fx.Node)
            shape = shape_of(value)
            if (value in seen or value.op != "call_function") and shape is not None:
                with rewriter.at(output):
                    # Of the operators that change nothing, the one that coremltools writes as an identity.
                    copy = rewriter.call(aten.expand.default, value, list(shape))
                copy.meta["custom"] = value.meta["custom"]
                sites.append(origin_of(value))
                value = copy
            seen.add(value)
            values.append(value)
        if sites:
            output.args = (tuple(values),)
        return sites
