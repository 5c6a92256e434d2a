"""Counters that nothing reads are not kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["DropUnreadBuffers"]

aten = torch.ops.aten


@dataclass(frozen=True)
class DropUnreadBuffers(Pass):
    """Leave out what a module writes into a buffer of its own, where no output depends on that buffer: how often it was
    called. A format would take it for a state that is to be kept from call to call.
    """

    law: ClassVar[str] = "what no output depends on changes none"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        read = _behind(rewriter.graph.output_node())
        places = {str(node.target) for node in read if node.op == "get_attr"}
        sites = []
        for node in rewriter.nodes(aten.copy_.default):
            buffer = node.args[0]
            is_own = isinstance(buffer, fx.Node) and buffer.op == "get_attr"
            if is_own and not node.users and str(buffer.target) not in places:  # type: ignore[union-attr]
                sites.append(origin_of(node))
                rewriter.graph.erase_node(node)
        return sites


def _behind(node: fx.Node) -> set[fx.Node]:
    """The node and all that it is computed from."""
    found: set[fx.Node] = set()
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if item not in found:
            found.add(item)
            waiting += item.all_input_nodes
    return found
