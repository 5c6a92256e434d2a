"""A trace as something to compute: constants, inputs, and the nodes that depend on these, in the order they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, fx

from ..source.arrays import Array
from .natures import nature_of_node
from .places import search_of
from .wide import Call

if TYPE_CHECKING:
    from ..source.trace import Trace

__all__ = ["Replay", "as_array", "as_traced"]


class Replay:
    """The trace's nodes, sorted by what they need.

    ``constants`` have their values in the model's own types, computed once: weights, and what the model makes in
    ``forward`` from no input. ``computed`` are the nodes that depend on an input, in order; after each of them the values of
    ``last_read[node]`` are read no more. ``outputs`` are the nodes that the model returns, ``searches`` those of them that
    are places, and ``watched`` the outputs and then what is searched in.
    """

    def __init__(self, traced: Trace) -> None:
        graph = traced.graph_module.graph
        self.signature = traced.signature
        self.placeholders = [node for node in graph.nodes if node.op == "placeholder"]
        self.constants: dict[fx.Node, object] = {}
        self.computed: dict[fx.Node, Call] = {}
        depends = set(self.placeholders)
        with torch.no_grad():
            for node in graph.nodes:
                if node.op == "get_attr":
                    self.constants[node] = _attribute(traced.graph_module, str(node.target))
                elif node.op == "call_function" and depends.isdisjoint(node.all_input_nodes):
                    self.constants[node] = Call(node).own(self.constants)
                elif node.op == "call_function":
                    depends.add(node)
                    self.computed[node] = Call(node)
        returned = graph.output_node().args[0]
        assert isinstance(returned, (tuple, list))  # every trace's output is flat
        self.outputs: list[fx.Node] = [node for node in returned if isinstance(node, fx.Node)]
        self.searches = {node: search for node in self.outputs if (search := search_of(node)) is not None}
        self.watched = [*self.outputs, *(search.operand for search in self.searches.values())]
        self.last_read = self._last_read()

    def is_weight(self, node: fx.Node) -> bool:
        """Whether sums alone read the constant: passes fold scales into such, which are rounded afterwards."""
        return bool(node.users) and all(nature_of_node(user) == "sums" for user in node.users)

    def fed(self, inputs: Mapping[str, Array]) -> dict[fx.Node, Tensor]:
        """The inputs' values by node: numbers in the types that they are given in, the rest as traced."""
        names = [spec.name for spec in self.signature.inputs]
        return {
            node: as_traced(torch.from_numpy(np.array(inputs[name])), node.meta.get("val"))
            for node, name in zip(self.placeholders, names, strict=True)
        }

    def fed_as_traced(self, inputs: Mapping[str, Array]) -> dict[fx.Node, Tensor]:
        """The inputs' values by node, in the model's own types."""
        return {
            node: value.to(getattr(torch, spec.dtype))
            for (node, value), spec in zip(self.fed(inputs).items(), self.signature.inputs, strict=True)
        }

    def _last_read(self) -> dict[fx.Node, list[fx.Node]]:
        last: dict[fx.Node, fx.Node] = {}
        for node in self.computed:
            for source in (*node.all_input_nodes, node):
                if source not in self.constants:
                    last[source] = node
        found: dict[fx.Node, list[fx.Node]] = {node: [] for node in self.computed}
        for source, node in last.items():
            if source not in self.watched:
                found[node].append(source)
        return found


def as_traced(given: Tensor, example: object) -> Tensor:
    """Whole numbers and truths in the type of the trace: a format may take them in other bits."""
    if given.dtype is not torch.int32 or not isinstance(example, Tensor):
        return given
    return given.to(example.dtype) if example.dtype in (torch.int64, torch.bool) else given


def as_array(value: object) -> Array:
    """A tensor as an array in its own type; NumPy has no bfloat16, so that is widened."""
    assert isinstance(value, Tensor)
    found: Array = (value.float() if value.dtype is torch.bfloat16 else value).numpy()
    return found


def _attribute(graph_module: fx.GraphModule, path: str) -> object:
    """A weight, a constant, or the graph of a branch."""
    found: object = graph_module
    for part in path.split("."):
        found = getattr(found, part)
    return found.detach() if isinstance(found, Tensor) else found
