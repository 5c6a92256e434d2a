"""What XNNPACK takes for granted of a graph, and where it is not so reads or writes elsewhere, or ends the process."""

from __future__ import annotations

from .flat import FlatbufferError, Table
from .operators import operands
from .payload import NO_VALUE, Graph, Node

__all__ = ["refuse_unwired"]

_OUTPUTS = ("output_id", "output_value_id", "output_index_id")
_BY_AXIS = ("perm", "new_shape", "offsets", "sizes")
_OF_THE_OPERAND = ("pre_paddings", "post_paddings")


def refuse_unwired(graph: Graph) -> None:
    """:class:`FlatbufferError` unless every operator reads what is there before it, and gives one value that nothing else gives, with
    a number for each axis where it has a list of them."""
    made = {place for place, value in graph.values.items() if value.constant is not None}
    made.update(graph.inputs)
    weights = {place for node in graph.nodes for place in _weights(node)}
    for node in graph.nodes:
        if not made.issuperset(operands(node)):
            raise FlatbufferError(f"has an operator ({node.kind}) that reads what none before it makes")
        if weights.intersection(set(operands(node)) - set(_weights(node))):
            raise FlatbufferError(f"has an operator ({node.kind}) that reads a layer's weight or bias")
        for place in _results(node.fields):
            if place in made or place not in graph.values:
                raise FlatbufferError(f"has an operator ({node.kind}) that gives what is no value of its own")
            made.add(place)
        _refuse_other_lists(graph, node)
    if not made.issuperset(graph.outputs):
        raise FlatbufferError("has an output that no operator makes")


def _weights(node: Node) -> list[int]:
    """What the delegate packs, and keeps for nothing else."""
    places = (node.fields.fields.get(name) for name in ("filter_id", "bias_id"))
    return [place for place in places if isinstance(place, int) and place != NO_VALUE]


def _results(table: Table) -> list[int]:
    return [table.whole(name) for name in _OUTPUTS if name in table.fields]


def _refuse_other_lists(graph: Graph, node: Node) -> None:
    fields = node.fields.fields
    lengths = {name: node.fields.whole("num_dims") for name in _BY_AXIS if name in fields}
    for name in _OF_THE_OPERAND:
        if name in fields:
            lengths[name] = len(graph.values[node.fields.whole("input_id")].shape)
    for name, length in lengths.items():
        if len(node.fields.wholes(name)) != length:
            raise FlatbufferError(
                f"has an operator ({node.kind}) with a list of another length than it has axes"
            )
