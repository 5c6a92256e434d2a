"""Faults in LiteRT files whose layers compute on whole numbers: steps of values, of weights and of biases, numbers, types and
attributes. Other faults are those of :mod:`.weights` and :mod:`.operators` that mean something there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.random import Generator

from .faults import FAULTS, Fault, Where
from .graph import Graph, Operator
from .litert_graph import LiteRtGraph

__all__ = ["WHOLE"]

_WHOLE = ("int8", "int32")
# Of a weight in whole numbers, these change nothing but which number is where.
_ON_WHOLE_NUMBERS = (
    "a channel's sign flipped",
    "input channels permuted",
    "kernel transposed",
    "output channels permuted",
    "weights of another operator",
    "weights replaced by zeros",
)
_OFF = np.float32(1 + 1 / 64)


def _of_floats(fault: Fault) -> Fault:
    """The fault, but for operators whose weight is of whole numbers."""

    def fits(graph: Graph, operator: Operator) -> bool:
        return not any(map(_is_whole, operator.constants.values())) and fault.fits(graph, operator)

    return Fault(fault.name, fits, fault.plant)


def _is_whole(value: Any) -> bool:
    return value.dtype == np.int8


def _stored(operator: Operator) -> list[str]:
    """The parameters that hold whole numbers with steps of their own: a weight, its bias, and what numbers are made of."""
    if operator.kind == "dequantize":
        return [name for name in ("x",) if name in operator.constants]
    if not _is_whole(operator.constants.get("weight", np.zeros(0))):
        return []
    return [name for name in ("weight", "bias") if name in operator.constants]


def _has_stored(_graph: Graph, operator: Operator) -> bool:
    return bool(_stored(operator))


def _gives_whole(graph: Graph, operator: Operator) -> bool:
    return isinstance(graph, LiteRtGraph) and graph.tensor(operator.outputs[0]).type == schema.TensorType.INT8


def _of_stored(change: Callable[[Any, Any, Generator], str]) -> Callable[[Graph, Operator, Generator], str]:
    """``change`` is given the whole numbers and the scales of one parameter, which the operator then has alone."""

    def plant(graph: Graph, operator: Operator, random: Generator) -> str:
        assert isinstance(graph, LiteRtGraph)
        names = _stored(operator)
        name = names[int(random.integers(len(names)))]
        numbers = operator.constants[name].copy()
        scales = np.array(graph.operand(operator, name).quantization.scale, np.float32)
        words = change(numbers, scales, random)
        graph.set(operator, name, numbers)
        graph.operand(operator, name).quantization.scale = scales
        return f"{name}: {words}"

    return plant


def _number(numbers: Any, _scales: Any, random: Generator) -> str:
    place = int(random.integers(numbers.size))
    flat = numbers.reshape(-1)
    flat[place] += -1 if flat[place] > 0 else 1
    return f"number {place} is a step nearer to zero, or one from it"


def _scale(_numbers: Any, scales: Any, random: Generator) -> str:
    place = int(random.integers(scales.size))
    scales[place] *= _OFF
    return f"scale {place} times 1 + 1/64"


def _two_scales(_numbers: Any, scales: Any, random: Generator) -> str:
    one, other = random.integers(scales.size, size=2)
    scales[[one, other]] = scales[[other, one]]
    return f"scales {one} and {other} exchanged"


def _of_result(change: Callable[[Any], str]) -> Callable[[Graph, Operator, Generator], str]:
    """``change`` is given the tensor of what the operator gives."""

    def plant(graph: Graph, operator: Operator, _random: Generator) -> str:
        assert isinstance(graph, LiteRtGraph)
        return change(graph.tensor(operator.outputs[0]))

    return plant


def _off(tensor: Any) -> str:
    tensor.quantization.scale = np.array(tensor.quantization.scale, np.float32) * _OFF
    return "the scale times 1 + 1/64"


def _half(tensor: Any) -> str:
    tensor.quantization.scale = np.array(tensor.quantization.scale, np.float32) / 2
    return "half the scale"


def _moved(tensor: Any) -> str:
    zero = np.array(tensor.quantization.zeroPoint)
    tensor.quantization.zeroPoint = zero + np.where(zero < 127, 1, -1)
    return f"zero is {tensor.quantization.zeroPoint[0]} instead of {zero[0]}"


def _unsigned(tensor: Any) -> str:
    tensor.type = schema.TensorType.UINT8
    return "its numbers are said to be unsigned"


def _is_layer(kinds: tuple[str, ...]) -> Where:
    return lambda graph, operator: operator.kind in kinds and _gives_whole(graph, operator)


def _another_activation(graph: Graph, operator: Operator, random: Generator) -> str:
    now = int(operator.constants.get("fused", np.array(0)))
    kinds = [kind for kind in (0, 1, 3) if kind != now]  # nothing, a relu, and one that ends at 6
    kind = kinds[int(random.integers(len(kinds)))]
    graph.set(operator, "fused", np.array(kind))
    return f"activation {kind} instead of {now}"


_OF_WHOLE_NUMBERS = (
    Fault("a stored number off by a step", _has_stored, _of_stored(_number)),
    Fault("a stored scale off by 1/64", _has_stored, _of_stored(_scale)),
    Fault("two stored scales exchanged", _has_stored, _of_stored(_two_scales)),
    Fault("a value's scale off by 1/64", _gives_whole, _of_result(_off)),
    Fault("half a value's range", _gives_whole, _of_result(_half)),
    Fault("a value's zero point off by a step", _gives_whole, _of_result(_moved)),
    Fault("a value of another type", _gives_whole, _of_result(_unsigned)),
    Fault("another activation inside", _is_layer(("conv", "linear")), _another_activation),
)

WHOLE = {fault.name: fault for fault in _OF_WHOLE_NUMBERS} | {
    name: fault if name in _ON_WHOLE_NUMBERS else _of_floats(fault) for name, fault in FAULTS.items()
}
