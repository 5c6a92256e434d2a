"""Refusing an ONNX model that would compute without end, before a runtime is given it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import onnx

from ..work_limit import OF_AN_ELEMENT, WorkMeter
from .graph_work import UNCOUNTED, Operand, multiply_adds, operands

__all__ = ["refuse_endless"]

_Attributes = Mapping[str, object]


def refuse_endless(model: onnx.ModelProto, path: Path, most: int | None) -> None:
    """:class:`InputError` if an inference of ``model`` takes more than ``most`` multiply-adds; None: nothing does.

    What only becomes known when the model runs counts as what is known of its operands.
    """
    if most is None:
        return
    meter = WorkMeter(str(path), most)
    known = operands(model)
    for node in model.graph.node:
        inputs = [known.get(name) for name in node.input]
        outputs = [known.get(name) for name in node.output]
        given = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        counted = multiply_adds(node.op_type, inputs, outputs, given)
        there = [item for item in inputs if item is not None]
        made = sum(math.prod(item.shape) for item in outputs if item is not None)
        if counted is None:
            counted = _estimated(node.op_type, there, made, given)
        meter.add(counted + OF_AN_ELEMENT * made * _window(given))


def _estimated(operator: str, inputs: list[Operand], made: int, given: _Attributes) -> int:
    """Of an operator whose products are not counted one by one."""
    equation = given.get("equation")
    if operator == "Einsum" and isinstance(equation, bytes):
        return _einsum(equation.decode(errors="replace"), inputs)
    largest = max((math.prod(item.shape) for item in inputs), default=0)
    lengths = [size for item in inputs for size in item.shape[-2:]]
    return max(made, largest) * (max(lengths, default=1) if operator in UNCOUNTED else 1)


def _einsum(equation: str, inputs: list[Operand]) -> int:
    """Every combination of all indices."""
    sizes: dict[str, int] = {}
    for letters, operand in zip(
        equation.partition("->")[0].replace(" ", "").split(","), inputs, strict=False
    ):
        for letter, size in zip(reversed(letters.replace(".", "")), reversed(operand.shape), strict=False):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return math.prod(sizes.values())


def _window(given: _Attributes) -> int:
    """Of a pooling, how many elements each of its results reads."""
    shape = given.get("kernel_shape")
    return math.prod(shape) if isinstance(shape, (list, tuple)) and "group" not in given else 1
