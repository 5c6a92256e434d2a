"""What a person and an app read in the file: the names of what goes in, what comes out, and every value between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cloformer.errors import UnsupportedError

from ...source.signature import Signature
from ..exporter import ValueOrigin
from .file import dtype_of, name_of, operators

__all__ = ["name_signature", "name_tensors", "output_places"]

# What the operands of layers are, by their place.
_LAYERS = frozenset({"CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
_OPERANDS = {1: "weight", 2: "bias"}


def name_signature(model: Any, signature: Signature) -> Signature:
    """Give the function's outputs the names of ``signature``; returns it in the types of the file, where whole numbers have 32
    bits. :class:`UnsupportedError` if the file has other inputs or outputs."""
    (given,) = model.signatureDefs
    tensors = model.subgraphs[0].tensors
    if len(given.inputs) != len(signature.inputs) or len(given.outputs) != len(signature.outputs):
        raise UnsupportedError(
            f"litert-torch wrote {len(given.inputs)} inputs and {len(given.outputs)} outputs, and the model has "
            f"{len(signature.inputs)} and {len(signature.outputs)}",
            "leave out an input that nothing reads, or an output that is an input as it came",
        )
    given.outputs = _in_order(given.outputs)
    outputs = []
    for entry, spec in zip(given.outputs, signature.outputs, strict=True):
        entry.name = spec.name.encode()
        outputs.append(replace(spec, dtype=dtype_of(tensors[entry.tensorIndex])))
    return replace(signature, outputs=tuple(outputs))


def output_places(model: Any) -> list[int]:
    """The outputs' tensors, in the order of the function."""
    (function,) = model.signatureDefs
    return [entry.tensorIndex for entry in function.outputs]


def _in_order(entries: Sequence[Any]) -> list[Any]:
    """Outputs in the model's order, which their names end in: output_10."""
    return sorted(entries, key=lambda entry: int(entry.name.decode().rpartition("_")[2]))


def name_tensors(model: Any, values: Sequence[ValueOrigin]) -> list[str]:
    """Name every tensor of the file after what it is, each once; returns the names by place.

    Inputs and outputs have the function's, a value that of the node that it equals; a step on the way to one, and a constant,
    that of what it is for.
    """
    graph, (function,) = model.subgraphs[0], model.signatureDefs
    names = [""] * len(graph.tensors)
    taken: set[str] = set()

    def give(place: int, name: str) -> None:
        if names[place]:
            return
        found, number = name, 1
        while found in taken:
            found, number = f"{name}/{number}", number + 1
        taken.add(found)
        names[place] = found

    for entry in (*function.inputs, *function.outputs):
        give(entry.tensorIndex, entry.name.decode())
    origins = {int(item.value): item for item in values}
    for place, origin in origins.items():
        if origin.equals is not None:
            give(place, origin.equals)
    found = list(operators(model))
    for item in found:
        for place in item.outputs:
            nodes = origins[place].nodes
            give(
                place,
                f"{nodes[-1]}/{item.kind.lower()}"
                if nodes
                else f"{names[item.inputs[0]]}/{item.kind.lower()}",
            )
    for item in found:
        for operand, place in enumerate(item.inputs):
            of_a_layer = _OPERANDS.get(operand) if item.kind in _LAYERS else None
            what = of_a_layer or f"operand_{operand}"
            if place >= 0:
                give(place, f"{names[item.outputs[0]]}/{what}")
    for place, tensor in enumerate(graph.tensors):
        give(place, name_of(tensor))
        tensor.name = names[place].encode()
    return names
