"""Two permutations in a row are one, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter
from .split_by_chunk import permute_order

__all__ = ["CancelTransposes"]

aten = torch.ops.aten


@dataclass(frozen=True)
class CancelTransposes(Pass):
    """Compose a permutation with the one before it; drop both when they undo each other."""

    law: ClassVar[str] = "permute(permute(x, p), q) = permute(x, p[q])"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.transpose.int, aten.permute.default):
            inner = node.args[0]
            outer_order = permute_order(node)
            inner_order = permute_order(inner) if isinstance(inner, fx.Node) else None
            if outer_order is None or inner_order is None or not isinstance(inner, fx.Node):
                continue
            order = [inner_order[axis] for axis in outer_order]
            source = inner.args[0]
            assert isinstance(source, fx.Node)
            if order != sorted(order):
                with rewriter.at(node):
                    source = rewriter.call(aten.permute.default, source, order)
            sites.append(rewriter.replace(node, source))
        return sites
