"""What depends on no input, computed once."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.drawn import draws
from ..source.origin import Origin
from ..source.trace import computed_from
from ._pass import Exactness, Pass
from .rewriter import Rewriter, read_constant, shape_of

__all__ = ["FoldConstants"]

aten = torch.ops.aten

_ROOM = 2**20  # bytes that a constant may take more than those that it is computed from
# They only repeat what they are given, or a number.
_REPEATS = (
    aten.expand.default, aten.expand_as.default, aten.broadcast_to.default, aten.repeat.default, aten.tile.default,
    aten.zeros.default, aten.ones.default, aten.full.default, aten.zeros_like.default, aten.ones_like.default,
    aten.full_like.default, aten.new_zeros.default, aten.new_ones.default, aten.new_full.default,
)  # fmt: skip


@dataclass(frozen=True)
class FoldConstants(Pass):
    """Compute once what depends on no input: tables of positions, masks made in ``forward``, weights that are divided by
    their norm or standardized.

    They are computed as PyTorch does, in the model's own types, and so are the numbers that the model has. What only repeats
    a constant is left, and so is what would take much more of the file than what it is made of.
    """

    law: ClassVar[str] = "f(constants) = the constant that PyTorch computes of them"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        known = _known(rewriter)
        folded = _folded(rewriter, known)
        values = _values(rewriter, folded)
        sites = []
        for node in folded:
            with rewriter.at(node):
                constant = rewriter.new_constant(values.pop(node), node)
            sites.append(rewriter.replace(node, constant))
        return sites


def _known(rewriter: Rewriter) -> set[fx.Node]:
    """The nodes that depend on no input and are the same each time."""
    known: set[fx.Node] = set()
    for node in rewriter.graph.nodes:
        is_constant = read_constant(rewriter.graph_module, node) is not None
        if is_constant or (_is_repeatable(node) and known.issuperset(node.all_input_nodes)):
            known.add(node)
    return known


def _is_repeatable(node: fx.Node) -> bool:
    if node.op != "call_function":
        return False
    if node.target is operator.getitem:
        return True
    return isinstance(node.target, torch._ops.OpOverload) and not draws(node)


def _folded(rewriter: Rewriter, known: set[fx.Node]) -> list[fx.Node]:
    """Those of ``known`` that become constants, in the order of the graph: the last on each way that may."""
    folded: list[fx.Node] = []
    stay: set[fx.Node] = set()
    for node in reversed(rewriter.graph.nodes):
        if node not in known or node.op != "call_function":
            continue
        if any(user not in known or user in stay for user in node.users):
            if _is_worth_storing(rewriter, node):
                folded.append(node)
            else:
                stay.add(node)
    return folded[::-1]


def _is_worth_storing(rewriter: Rewriter, node: fx.Node) -> bool:
    value = node.meta.get("val")
    if shape_of(node) is None or node.target in _REPEATS:
        return False
    sources = (read_constant(rewriter.graph_module, item) for item in computed_from([node]))
    return _bytes(value) <= _ROOM + sum(_bytes(source) for source in sources)


def _bytes(value: object) -> int:
    return value.numel() * value.element_size() if isinstance(value, Tensor) else 0


@torch.no_grad()
def _values(rewriter: Rewriter, wanted: list[fx.Node]) -> dict[fx.Node, Any]:
    """Their values, and no others for longer than they are read."""
    needed = computed_from(wanted)
    readers = {node: sum(user in needed for user in node.users) for node in needed}
    values: dict[fx.Node, Any] = {}
    for node in [item for item in rewriter.graph.nodes if item in needed]:
        if node.op == "get_attr":
            values[node] = read_constant(rewriter.graph_module, node)
        else:
            taken = values.__getitem__ if not _is_mixed(node, values) else lambda item: _wide(values[item])
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), taken)
            values[node] = node.target(*args, **kwargs)
        for source in node.all_input_nodes:
            readers[source] -= 1
            if not readers[source] and source not in wanted:
                del values[source]
    return values


def _is_mixed(node: fx.Node, values: Mapping[fx.Node, Any]) -> bool:
    """Whether it takes floats of two types, one of them what a pass before has computed: that is wide until the end."""
    kinds = {_kind(values[source]) for source in node.all_input_nodes} - {None}
    return len(kinds) > 1 and torch.float64 in kinds


def _kind(value: object) -> torch.dtype | None:
    return value.dtype if isinstance(value, Tensor) and value.is_floating_point() else None


def _wide(value: Any) -> Any:
    return value if _kind(value) is None else value.double()
