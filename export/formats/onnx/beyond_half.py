"""Constants that float16 ends before, and which operators mean the same where such a constant is float16's largest number.

Masks are made of -1e9 and of the least float32: chosen, added, or multiplied by what is 0 or 1. ``x / 1e6`` is something else:
with the largest number in its place it is 15 times as large.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, numpy_helper

from ...source.arrays import Array

__all__ = ["LARGEST", "beyond_half", "needs_wide"]

LARGEST = float(np.finfo(np.float16).max)
# What gives its operands' numbers as they are: the largest number of a format is still the largest.
_CHOOSES = {
    "Where", "Max", "Min", "Clip", "Concat", "Pad", "Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND", "Tile",
    "Expand", "Reshape", "Slice", "Transpose", "Unsqueeze", "Squeeze", "Flatten", "Split", "Identity",
}  # fmt: skip
# What adds them: from twice the largest on, no number of the format brings the sum back to one.
_ADDS = {"Add", "Sub", "Attention"}
# What gives whole numbers of whole numbers.
_KEEPS_WHOLE = {
    "Add", "Sub", "Mul", "Max", "Min", "Where", "Abs", "Neg", "Cast", "Reshape", "Expand", "Unsqueeze",
    "Squeeze", "Transpose", "Slice", "Tile", "Concat", "Gather",
}  # fmt: skip

_MAKES_WHOLE = {"Round", "Floor", "Ceil", "Sign"}


def beyond_half(constant: TensorProto) -> Array | None:
    """The sizes of the constant's numbers, if float16 ends before a finite one of them."""
    sizes = np.abs(numpy_helper.to_array(constant))
    return sizes if bool((np.isfinite(sizes) & (sizes > LARGEST)).any()) else None


def needs_wide(graph: GraphProto, constants: Mapping[str, TensorProto], floats: set[str]) -> set[str]:
    """The results of the nodes that are others with their constants' finite numbers within float16. ``constants`` are those of
    float32, and ``floats`` all values of it."""
    sizes = {name: beyond_half(item) for name, item in constants.items()}
    beyond = {name: size for name, size in sizes.items() if size is not None}
    whole = _Whole(graph, constants, floats)
    found: set[str] = set()
    for node in graph.node:
        given = [beyond[name] for name in node.input if name in beyond]
        if given and not _is_the_same(
            node, given, [name for name in node.input if name not in beyond], whole
        ):
            found.update(node.output)
    return found


def _is_the_same(node: NodeProto, given: list[Array], others: list[str], whole: _Whole) -> bool:
    """Whether the node gives the same with the largest number in the place of what is beyond it."""
    if node.op_type in _ADDS:
        return all(bool(((size <= LARGEST) | (size >= 2 * LARGEST)).all()) for size in given)
    if node.op_type == "Mul":
        return all(map(whole.of, others))
    return node.op_type in _CHOOSES


class _Whole:
    """Whether all numbers of a value are whole, whatever the input is."""

    def __init__(self, graph: GraphProto, constants: Mapping[str, TensorProto], floats: set[str]) -> None:
        self.constants, self.floats = constants, floats
        self.made_by = {name: node for node in graph.node for name in node.output}
        self.known: dict[str, bool] = {}

    def of(self, name: str) -> bool:
        if name not in self.known:
            self.known[name] = self._found(name)
        return self.known[name]

    def _found(self, name: str) -> bool:
        if name in self.constants:
            value = numpy_helper.to_array(self.constants[name])
            return bool((value == np.round(value)).all())
        if name not in self.floats:  # integers and truths
            return True
        node = self.made_by.get(name)
        if node is None or node.op_type not in _KEEPS_WHOLE | _MAKES_WHOLE:
            return False
        return node.op_type in _MAKES_WHOLE or all(self.of(given) for given in node.input if given)
