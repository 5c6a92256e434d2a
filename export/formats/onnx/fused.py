"""What ONNX Runtime's optimizer made of a file: which operators of the file each of its own stands for.

The optimizer fuses operators, changes the layout of values and renames what it makes. A value that keeps its
name is found by it; others by where they lead to, or by the name of their operator. An operator then stands
for everything between its value and those that were computed before. So every operator of the file belongs to
exactly one, except what was computed from constants when the session was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import onnx

__all__ = ["Region", "name_nodes", "nested_names", "regions"]

# What gives the same value in another layout, type or shape.
_RELAYS = ("ReorderInput", "ReorderOutput", "Cast", "Reshape", "Transpose")
_CHANNELS_LAST = "com.ms.internal.nhwc"  # the domain of what a provider computes with its channels last
_CAST = "InsertedPrecisionFreeCast_"  # the same value in another type
_COUNTED = re.compile(r"_token_[0-9]+$")  # what makes a name unique


@dataclass(frozen=True)
class Region:
    """``value`` is the file's that an operator computes, None if it was not found; ``nodes`` are the places of
    the file's operators that it stands for, which are none if it only moves the value."""

    value: str | None
    nodes: tuple[int, ...]


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node without a name of its own one, as the profiler tells operators apart by name."""
    taken: set[str] = set()
    for place, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.name or node.op_type}#{place}"
        taken.add(node.name)


def nested_names(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes inside others, whose time is part of theirs."""
    found, waiting = set(), list(model.graph.node)
    while waiting:
        for attribute in waiting.pop().attribute:
            for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                found |= {node.name for node in graph.node}
                waiting += graph.node
    return found


def regions(file: onnx.ModelProto, optimized: onnx.ModelProto) -> dict[str, Region]:
    """The region of each node of the optimized model, by the node's name."""
    known = _File(file)
    ahead = {
        node.input[0]: node.output[0] for node in optimized.graph.node if node.op_type == "ReorderOutput"
    }
    same: dict[str, str] = {}  # value of the file by value of the optimized model
    owner: dict[int, str] = {}  # name of the optimized node by place in the file
    values: dict[str, str | None] = {}
    for node in optimized.graph.node:
        for output in node.output:
            found = known.find(output) or known.find(ahead.get(output, ""))
            if found is None and node.domain == _CHANNELS_LAST:
                found = known.find_by_name(output)
            if found is None and node.op_type in _RELAYS:
                found = same.get(node.input[0]) or known.find(node.input[0])
            if found is None and output == node.output[0]:
                found = known.find_by_node(node, same)
            if found is None:
                continue
            same[output] = found
            for place in known.behind(found, owner):
                owner[place] = node.name
        values[node.name] = next((same[output] for output in node.output if output in same), None)
    _attach(known, owner)
    places: dict[str, list[int]] = {}
    for place in sorted(owner):
        places.setdefault(owner[place], []).append(place)
    return {name: Region(value, tuple(places.get(name, ()))) for name, value in values.items()}


def _attach(known: _File, owner: dict[int, str]) -> None:
    """What follows a value without being one itself, like a view that is gone, to what computes the value."""
    for place, node in enumerate(known.nodes):
        if place in owner:
            continue
        before = [known.producer[name] for name in node.input if known.producer.get(name) in owner]
        if before:
            owner[place] = owner[max(before)]


class _File:
    """The graph as it is written."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.producer = {name: place for place, node in enumerate(self.nodes) for name in node.output if name}
        self._values = {*self.producer, *(value.name for value in model.graph.input)}
        self._first: dict[str, str] = {node.name: node.output[0] for node in self.nodes if node.output}

    def find(self, name: str) -> str | None:
        """The value of this name, or of the name before a cast was put in."""
        return next((value for value in (name, name.removeprefix(_CAST)) if value in self._values), None)

    def find_by_name(self, name: str) -> str | None:
        """The first value of the operator of this name: a provider calls its own values so."""
        return self._first.get(name)

    def find_by_node(self, node: onnx.NodeProto, same: dict[str, str]) -> str | None:
        """The value that a renamed operator computes, by the operator's own name."""
        name = _COUNTED.sub("", node.name)
        value = self.find(name.removesuffix("_nchwc"))
        while value is None and name:
            value = self._first.get(name)
            name = name.rpartition("/")[0]
        if value is None or node.op_type != "Conv" or len(node.input) < 4:
            return value
        # A convolution that adds another value, and may apply an activation to the sum.
        value = self._next(value, "Add", same.get(node.input[3], node.input[3])) or value
        for attribute in node.attribute:
            if attribute.name == "activation":
                value = self._next(value, attribute.s.decode(), None) or value
        return value

    def _next(self, value: str, operator: str, other: str | None) -> str | None:
        """The value of the operator of that kind that reads ``value``, and ``other``."""
        for node in self.nodes:
            if node.op_type == operator and value in node.input and (other is None or other in node.input):
                return str(node.output[0])
        return None

    def behind(self, value: str, owner: dict[int, str]) -> Iterator[int]:
        """Places of the nodes that ``value`` needs and nobody owns yet; the caller takes each as it comes."""
        waiting = [value]
        while waiting:
            place = self.producer.get(waiting.pop())
            if place is not None and place not in owner:
                yield place
                waiting += self.nodes[place].input
