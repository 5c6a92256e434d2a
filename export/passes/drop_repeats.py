"""Values that are repeated for an operator that repeats them itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .pointwise import is_pointwise
from .rewriter import Rewriter, is_fixed, shape_of

__all__ = ["DropRepeats"]

aten = torch.ops.aten
_REPEATS = (aten.expand.default, aten.expand_as.default, aten.broadcast_to.default)


@dataclass(frozen=True)
class DropRepeats(Pass):
    """Give an operator that computes element by element a value as it is, not repeated to the shape of the result.

    XNNPACK has no operator that repeats, and litert-torch loses the axes of one that follows an image. Left alone where something
    else reads the repeated value, or where without it the result would be smaller.
    """

    law: ClassVar[str] = (
        "f(x, expand(y)) = f(x, y) for f of each element by itself, and of x of the result's shape"
    )
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*_REPEATS):
            source = node.args[0]
            if not isinstance(source, fx.Node) or not node.users:
                continue
            if all(_repeats_itself(reader, node) for reader in node.users):
                sites.append(rewriter.replace(node, source))
        return sites


def _repeats_itself(reader: fx.Node, repeated: fx.Node) -> bool:
    """Whether what else it reads is of the result's shape already."""
    if not is_pointwise(reader.target) or not is_fixed(reader):
        return False
    others = [item for item in reader.all_input_nodes if item is not repeated]
    return any(shape_of(item) == shape_of(reader) for item in others)
