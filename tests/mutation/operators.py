"""Faults in what an operator does and in what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from .faults import Where, fault
from .graph import Graph, Operator

__all__ = ["POOLING", "is_kind", "one_of"]

Item = TypeVar("Item")

_OTHER_ACTIVATIONS = {
    "gelu": ("approximation by tanh", "relu", "identity"),
    "silu": ("relu", "sigmoid", "identity"),
    "tanh": ("identity", "sigmoid"),
    "relu": ("identity", "gelu"),
    "sigmoid": ("tanh", "relu"),
}
_OTHER_OPERATIONS = {"add": ("sub", "mul"), "mul": ("add", "sub"), "sub": ("add", "mul")}
POOLING = ("kernel_sizes", "strides", "pad", "pad_type", "auto_pad", "ceil_mode")


def is_kind(*kinds: str) -> Where:
    return lambda _graph, operator: operator.kind in kinds


def one_of(random: Generator, items: Sequence[Item]) -> Item:
    return items[int(random.integers(len(items)))]


@fault("activation swapped", is_kind(*_OTHER_ACTIVATIONS))
def _activation(graph: Graph, operator: Operator, random: Generator) -> str:
    other = one_of(random, _OTHER_ACTIVATIONS[operator.kind])
    if other == "approximation by tanh":
        graph.set(operator, *graph.tanh_gelu)
    else:
        graph.become(operator, other)
    return f"{operator.kind} replaced by {other}"


@fault("fused activation left out", lambda _graph, operator: "fused" in operator.constants)
def _not_activated(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.set(operator, "fused", np.array(0))
    return "the result as it is"


def _gated(graph: Graph, operator: Operator) -> str | None:
    """Of a product x * sigmoid(x), which is a SiLU: x."""
    if operator.kind != "mul" or not {"x", "y"} <= operator.reads.keys():
        return None
    made_by = {value: other for other in graph.operators for value in other.outputs}
    for gate, value in (
        (operator.reads["y"], operator.reads["x"]),
        (operator.reads["x"], operator.reads["y"]),
    ):
        other = made_by.get(gate)
        if other is not None and other.kind == "sigmoid" and other.reads["x"] == value:
            return value
    return None


@fault("x * sigmoid(x) swapped", lambda graph, operator: _gated(graph, operator) is not None)
def _silu(graph: Graph, operator: Operator, random: Generator) -> str:
    other = one_of(random, ("relu", "identity", "gelu"))
    graph.become(operator, other, x=_gated(graph, operator))
    return f"x * sigmoid(x) replaced by {other}"


@fault("epsilon wrong", is_kind("layer_norm", "batch_norm"))
def _epsilon(graph: Graph, operator: Operator, random: Generator) -> str:
    value = one_of(random, (1e-3, 1e-2))
    graph.set(operator, "epsilon", np.array(value))
    return f"epsilon {value} instead of {operator.number('epsilon'):.3g}"


@fault("normalization left out", is_kind("layer_norm", "batch_norm"))
def _no_normalization(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.become(operator, "identity")
    return "left out"


@fault(
    "normalized over other axes",
    lambda _graph, operator: operator.kind == "layer_norm" and "axes" in operator.constants,
)
def _axes(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.set(operator, "axes", np.array([-2, -1]))
    return "each channel by itself"


@fault("stale statistics", is_kind("batch_norm"))
def _statistics(graph: Graph, operator: Operator, random: Generator) -> str:
    name = one_of(random, ("mean", "variance"))
    value = operator.constants[name].astype(np.float64)
    changed = value + random.normal(0, 0.05, value.shape) if name == "mean" else value * 1.1
    graph.set(operator, name, changed.astype(operator.constants[name].dtype))
    return f"another {name}"


@fault("another pooling", is_kind("avg_pool", "reduce_mean"))
def _pooling(graph: Graph, operator: Operator, _random: Generator) -> str:
    if operator.kind == "avg_pool":
        graph.become(operator, "max_pool", keep=POOLING)
    else:
        graph.become(operator, "reduce_max", keep=("axes", "keep_dims", "keepdims", "noop_with_empty_axes"))
    return "the maximum instead of the mean"


def _is_padded(_graph: Graph, operator: Operator) -> bool:
    is_wide = operator.kind == "conv" and min(operator.constants["weight"].shape[2:]) > 1
    return is_wide and "pad" in operator.constants  # in LiteRT, of those that another operator pads for


def _is_padded_image(graph: Graph, operator: Operator) -> bool:
    return _is_padded(graph, operator) and operator.constants["weight"].ndim == 4


@fault("padding on the wrong side", _is_padded_image)
def _padding(graph: Graph, operator: Operator, random: Generator) -> str:
    """The sum stays, and so does the shape: what TensorFlow's "same" does to a stride of two."""
    before, after, left, right = operator.numbers("pad")
    pad = one_of(
        random,
        (
            [before + 1, after - 1, left + 1, right - 1],
            [before - 1, after + 1, left - 1, right + 1],
            [before + 1, after - 1, left, right],
            [before, after, left - 1, right + 1],
        ),
    )
    graph.set(operator, "pad", np.array(pad))
    return f"padding {pad} instead of {[before, after, left, right]} (top, bottom, left, right)"


@fault("kernel dilated", _is_padded)
def _dilated(graph: Graph, operator: Operator, _random: Generator) -> str:
    more = operator.constants["weight"].shape[-1] // 2
    graph.set(operator, "dilations", np.array([2, 2]))
    graph.set(operator, "pad", np.array(operator.numbers("pad")) + more)
    return "dilation 2, padded to the same shape"


def _softmax_axes(graph: Graph, operator: Operator) -> list[int]:
    """The other axes that have more than one element."""
    if operator.kind != "softmax" or "axis" not in operator.constants:  # LiteRT's is over the last alone
        return []
    shape = graph.shapes[operator.outputs[0]]
    own = int(operator.number("axis")) % len(shape)
    return [axis for axis, size in enumerate(shape) if axis != own and size > 1]


@fault("softmax over another axis", lambda graph, operator: bool(_softmax_axes(graph, operator)))
def _softmax(graph: Graph, operator: Operator, random: Generator) -> str:
    axis = one_of(random, _softmax_axes(graph, operator))
    graph.set(operator, "axis", np.array(axis))
    return (
        f"axis {axis} instead of {int(operator.number('axis'))} of {list(graph.shapes[operator.outputs[0]])}"
    )


@fault("another operation", is_kind(*_OTHER_OPERATIONS))
def _operation(graph: Graph, operator: Operator, random: Generator) -> str:
    other = one_of(random, _OTHER_OPERATIONS[operator.kind])
    graph.become(operator, other, keep=("y",))
    return f"{operator.kind} replaced by {other}"


def _whole_operands(graph: Graph, operator: Operator) -> list[str]:
    """Those that have the shape of the result already."""
    shape = graph.shapes[operator.outputs[0]]
    return [name for name, value in operator.reads.items() if graph.shapes.get(value) == shape]


@fault(
    "an operand left out",
    lambda graph, operator: operator.kind in ("add", "mul", "sub") and bool(_whole_operands(graph, operator)),
)
def _left_out(graph: Graph, operator: Operator, random: Generator) -> str:
    kept = one_of(random, _whole_operands(graph, operator))
    graph.become(operator, "identity", x=operator.reads[kept])
    return f"only {kept} is passed on"


@fault(
    "stale connection", lambda graph, operator: any(graph.earlier(operator, name) for name in operator.reads)
)
def _stale(graph: Graph, operator: Operator, random: Generator) -> str:
    """Another value of the same shape, most likely one of the last."""
    places = [name for name in operator.reads if graph.earlier(operator, name)]
    name = one_of(random, places)
    values = graph.earlier(operator, name)
    value = values[-1 - min(int(random.geometric(0.4)) - 1, len(values) - 1)]
    graph.read(operator, name, value)
    return f"{name} is {value} instead of {operator.reads[name]}"


@fault(
    "concatenated in another order",
    lambda _graph, operator: operator.kind == "concat" and len(operator.reads) > 1,
)
def _concatenated(graph: Graph, operator: Operator, _random: Generator) -> str:
    first, second = list(operator.reads)[:2]
    graph.read(operator, first, operator.reads[second])
    graph.read(operator, second, operator.reads[first])
    return "the first two exchanged"


@fault("chunks exchanged", lambda graph, operator: operator.kind == "split" and _equal_pair(graph, operator))
def _chunks(graph: Graph, operator: Operator, random: Generator) -> str:
    first, second = sorted(int(item) for item in random.choice(len(operator.outputs), 2, replace=False))
    graph.swap_outputs(operator, first, second)
    return f"outputs {first} and {second} exchanged"


def _equal_pair(graph: Graph, operator: Operator) -> bool:
    return len({graph.shapes[value] for value in operator.outputs}) == 1


def _is_square_product(graph: Graph, operator: Operator) -> bool:
    if operator.kind != "matmul" or len(operator.reads) != 2:
        return False
    x, y, product = (
        graph.shapes[value] for value in (operator.reads["x"], operator.reads["y"], operator.outputs[0])
    )
    return x == y and product[-1] == product[-2]


@fault("factors exchanged", _is_square_product)
def _factors(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.read(operator, "x", operator.reads["y"])
    graph.read(operator, "y", operator.reads["x"])
    return "the factors exchanged"


def _square_factors(graph: Graph, operator: Operator) -> list[str]:
    """The flags of the factors that have the same shape when transposed."""
    if operator.kind != "matmul":
        return []
    return [
        f"transpose_{name}"
        for name, value in operator.reads.items()
        if f"transpose_{name}" in operator.constants and graph.shapes[value][-1] == graph.shapes[value][-2]
    ]


@fault("a factor transposed", lambda graph, operator: bool(_square_factors(graph, operator)))
def _transposed(graph: Graph, operator: Operator, random: Generator) -> str:
    flag = one_of(random, _square_factors(graph, operator))
    graph.set(operator, flag, ~operator.constants[flag])
    return f"{flag} is {not operator.constants[flag]}"


@fault(
    "transposition left out",
    lambda graph, operator: (
        operator.kind == "transpose"
        and graph.shapes[operator.reads["x"]] == graph.shapes[operator.outputs[0]]
    ),
)
def _not_transposed(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.become(operator, "identity")
    return "left out"
