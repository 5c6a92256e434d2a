"""Truths that come in as whole numbers, for formats whose inputs cannot be truths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["ReadTruths"]

aten = torch.ops.aten


@dataclass(frozen=True)
class ReadTruths(Pass):
    """Compare every input of truths with 0, so that it may come in as a whole number."""

    law: ClassVar[str] = "t = (t != 0)"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.graph.find_nodes(op="placeholder"):
            value = node.meta.get("val")
            if not isinstance(value, Tensor) or value.dtype is not torch.bool or not node.users:
                continue
            readers = [reader for reader in rewriter.graph.nodes if reader in node.users]
            with rewriter.at(readers[0]):
                read = rewriter.call(aten.ne.Scalar, node, 0)
            for reader in readers:
                reader.replace_input_with(node, read)
            sites.append(origin_of(node))
        return sites
