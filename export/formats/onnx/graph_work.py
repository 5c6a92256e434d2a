"""What an ONNX operator has to do, by its shapes: multiply-adds, and bytes in and out.

Multiply-adds are those of convolutions and matrix products, counted as :mod:`export.source.counts` counts PyTorch's; all
other operators count by their bytes alone. Bytes are inputs, weights and outputs, each once: what has to move
if nothing is in a cache. What only gives a value another shape moves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx

from ..profiler import Work
from .file import inferred

__all__ = ["UNCOUNTED", "Operand", "bytes_moved", "graph_work", "multiply_adds", "operands"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operand:
    """One value: its shape, and bytes of an element."""

    shape: Shape
    item_bytes: int

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.item_bytes


_Attributes = Mapping[str, object]
_Count = Callable[[Sequence[Operand], Operand, _Attributes], int]


def _convolution(weight: int) -> _Count:
    """Each output is a sum over the kernel and the input channels of its group: the weight's own axes."""
    return lambda inputs, output, _: math.prod(output.shape) * math.prod(inputs[weight].shape[1:])


def _transposed_convolution(inputs: Sequence[Operand], _output: Operand, _given: _Attributes) -> int:
    """Each input goes into the kernel and the output channels of its group."""
    return math.prod(inputs[0].shape) * math.prod(inputs[1].shape[1:])


def _product(inputs: Sequence[Operand], output: Operand, _given: _Attributes) -> int:
    return math.prod(output.shape) * inputs[0].shape[-1]


def _fused_product(inputs: Sequence[Operand], output: Operand, given: _Attributes) -> int:
    """ONNX Runtime's product of transposed matrices; ``transBatchA`` has the rows first."""
    shape = inputs[0].shape
    rows = shape[0] if given.get("transBatchA") else shape[-2]
    return math.prod(output.shape) * (rows if given.get("transA") else shape[-1])


def _general_product(inputs: Sequence[Operand], output: Operand, given: _Attributes) -> int:
    return math.prod(output.shape) * inputs[0].shape[0 if given.get("transA") else 1]


# Names are the same in every domain: those of the standard, and of ONNX Runtime's own operators.
_COUNTS: dict[str, _Count] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "FusedConv": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "FusedMatMul": _fused_product,
    "Gemm": _general_product,
    "FusedGemm": _general_product,
}
# Operators with products inside that are not counted: a report says so.
UNCOUNTED = frozenset(
    {"Attention", "DeformConv", "Einsum", "GRU", "GroupQueryAttention", "LSTM", "MultiHeadAttention", "RNN"}
)
_VIEWS = frozenset({"Constant", "Dropout", "Flatten", "Identity", "Reshape", "Shape", "Squeeze", "Unsqueeze"})
_PICKERS = frozenset({"Gather", "Slice"})  # read what they give, not all they could read


def multiply_adds(
    operator: str, inputs: Sequence[Operand | None], outputs: Sequence[Operand | None], given: _Attributes
) -> int | None:
    """Of one operator with the attributes ``given``; None if the shapes that are known do not say."""
    if operator in UNCOUNTED:
        return None
    if operator not in _COUNTS:
        return 0
    if not outputs or outputs[0] is None:
        return None
    try:
        # An operand that is not known is one without a shape, which no count gets by.
        return _COUNTS[operator]([item or Operand((), 0) for item in inputs], outputs[0], given)
    except IndexError:
        return None


def bytes_moved(operator: str, inputs: Sequence[Operand | None], outputs: Sequence[Operand | None]) -> int:
    """Bytes that the operator reads and writes; operands that are not known count as none."""
    written = sum(item.bytes for item in outputs if item is not None)
    if operator in _VIEWS:
        return 0
    if operator in _PICKERS:
        return 2 * written
    return written + sum(item.bytes for item in inputs if item is not None)


def graph_work(model: onnx.ModelProto) -> list[Work]:
    """The work of each node of a model's graph, in the order of the file."""
    known = operands(model)
    found = []
    for node in model.graph.node:
        inputs, outputs = ([known.get(name) for name in names] for names in (node.input, node.output))
        given = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        found.append(
            Work(
                multiply_adds(node.op_type, inputs, outputs, given),
                bytes_moved(node.op_type, inputs, outputs),
            )
        )
    return found


def operands(model: onnx.ModelProto) -> dict[str, Operand]:
    """Every value of a model's graph whose shape can be told without running it."""
    graph = inferred(model)
    known = {tensor.name: _operand(tensor.dims, tensor.data_type) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if all(dimension.HasField("dim_value") for dimension in kind.shape.dim) and kind.HasField("shape"):
            known[value.name] = _operand([item.dim_value for item in kind.shape.dim], kind.elem_type)
    return known


def _operand(shape: Sequence[int], element: int) -> Operand:
    try:
        item_bytes = int(onnx.helper.tensor_dtype_to_np_dtype(element).itemsize)
    except (KeyError, TypeError, ValueError):  # text, and what a later version of the standard brings
        item_bytes = 0
    return Operand(tuple(shape), item_bytes)
