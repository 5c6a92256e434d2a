"""Texts among an operator's arguments, which coremltools takes for the names of nodes where there are such."""

from __future__ import annotations

from torch import fx
from torch.utils import _pytree as pytree

__all__ = ["tell_from_names"]


class _Text(str):
    """A text that is found in no dictionary of names: equal to another, and of another hash."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(("text", str(self)))


def tell_from_names(graph: fx.Graph) -> None:
    """Make every text in ``graph`` that is a node's name one that is found under no name. coremltools looks both up in one
    dictionary: a GELU in the form "tanh" became the exact one, and a quotient rounded to "floor" was not rounded, where a node
    had that name."""
    names = {node.name for node in graph.nodes}

    def told(text: str) -> str:
        return _Text(text) if text in names else text

    for node in graph.nodes:
        if node.op == "call_function":
            node.args, node.kwargs = pytree.tree_map_only(str, told, (node.args, node.kwargs))
