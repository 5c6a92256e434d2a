"""The operators of an ONNX model in common words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from cloformer.io.words import bounded

from ...source.arrays import Array
from ..view import ConstantView, FileView, Kind, OperatorView, ValueView
from .file import inferred, read_onnx

if TYPE_CHECKING:
    from onnx import AttributeProto, NodeProto, TensorProto

__all__ = ["read_view"]

_ACTIVATIONS = (
    "Celu", "Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Relu", "Selu", "Sigmoid", "Softsign",
    "Tanh", "ThresholdedRelu",
)  # fmt: skip
_MOVES = ("Flatten", "Identity", "Pad", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
# A batch norm is none of these: its mean and variance are constants.
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_ACTIVATIONS, Kind.ACTIVATION),
    **dict.fromkeys(_MOVES, Kind.MOVE),
    **dict.fromkeys(("Gather", "GatherElements", "GatherND"), Kind.GATHER),
    **dict.fromkeys(
        (
            "GroupNormalization",
            "InstanceNormalization",
            "LayerNormalization",
            "RMSNormalization",
        ),
        Kind.NORMALIZATION,
    ),
    **dict.fromkeys(("ReduceSumSquare", "ReduceL2"), Kind.SQUARES),
    **dict.fromkeys(("ArgMax", "ArgMin"), Kind.ARGMAX),
    **dict.fromkeys(("Shape", "Size", "NonZero"), Kind.SHAPE),
    **dict.fromkeys(("Add", "Sub"), Kind.ADD),
    **dict.fromkeys(("Sqrt", "Reciprocal", "Pow"), Kind.ROOT),
    **dict.fromkeys(("ReduceSum", "ReduceL1"), Kind.SUM),
    **dict.fromkeys(("ReduceMean", "GlobalAveragePool"), Kind.MEAN),
    "Conv": Kind.CONVOLUTION,
    "Gemm": Kind.LAYER,
    "MatMul": Kind.PRODUCT,
    "Softplus": Kind.SOFTPLUS,
    "ReduceLogSumExp": Kind.LOGSUMEXP,
    "Exp": Kind.EXPONENTIAL,
    "Log": Kind.LOGARITHM,
    "Softmax": Kind.SOFTMAX,
    "Slice": Kind.SLICE,
    "AveragePool": Kind.AVERAGE_POOLING,
    "TopK": Kind.TOPK,
    "Cast": Kind.CAST,
    "Concat": Kind.JOIN,
    "Mul": Kind.SCALE,
    "Div": Kind.DIVIDE,
    "Max": Kind.LARGER,
}
_REDUCED = (Kind.SUM, Kind.MEAN, Kind.SQUARES, Kind.LOGSUMEXP)
_SMALL = 64  # numbers of a constant that says sizes
_LONGEST = 200  # characters of an attribute in words


def read_view(path: Path) -> FileView:
    """Raises as :func:`.file.read_onnx` does."""
    model = read_onnx(path)
    graph = inferred(model)
    shapes = {item.name: tuple(item.dims) for item in model.graph.initializer}
    constants = {
        item.name: onnx.numpy_helper.to_array(item)
        for item in model.graph.initializer
        if np.prod(item.dims, dtype=np.int64) <= _SMALL
    }
    stored = {item.name: _stored(item.name, item) for item in model.graph.initializer}
    values = {
        item.name: _value(item)
        for item in (*graph.input, *graph.value_info, *graph.output)
        if item.name not in shapes
    }
    operators = []
    for node in model.graph.node:
        if node.op_type == "Constant":
            held = next((attribute.t for attribute in node.attribute if attribute.HasField("t")), None)
            if held is not None:
                shapes[node.output[0]] = tuple(held.dims)
                constants[node.output[0]] = onnx.numpy_helper.to_array(held)
                stored[node.output[0]] = _stored(node.output[0], held)
            continue
        for name in node.output:
            values.setdefault(name, ValueView(None, ""))
        read = tuple(stored[name] for name in node.input if name in stored)
        operators.append(_Reader(node, constants, values, shapes).view(read))
    return FileView(tuple(operators), values, tuple(item.name for item in model.graph.output))


def _value(info: onnx.ValueInfoProto) -> ValueView:
    kind = info.type.tensor_type
    shape = tuple(item.dim_value if item.HasField("dim_value") else None for item in kind.shape.dim)
    return ValueView(shape if kind.HasField("shape") else None, _dtype(kind.elem_type))


def _stored(name: str, tensor: TensorProto) -> ConstantView:
    size = len(tensor.raw_data) or onnx.numpy_helper.to_array(tensor).nbytes
    read = partial(onnx.numpy_helper.to_array, tensor)
    return ConstantView(name, name, tuple(tensor.dims), _dtype(tensor.data_type), size, read)


def _attributes(node: NodeProto) -> Iterator[tuple[str, str]]:
    """Those that are numbers and words."""
    for item in node.attribute:
        if (said := _said(item)) is not None:
            yield bounded(item.name, _LONGEST), bounded(said, _LONGEST)


def _said(item: AttributeProto) -> str | None:
    value = onnx.helper.get_attribute_value(item)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, (onnx.TensorProto, onnx.GraphProto)):
        return None
    return ", ".join(
        each.decode("utf-8", "replace")
        if isinstance(each, bytes)
        else f"{each:g}"
        if isinstance(each, float)
        else str(each)
        for each in value[:_SMALL]
    )


def _dtype(number: int) -> str:
    if number == onnx.TensorProto.BFLOAT16:
        return "bfloat16"
    return str(onnx.helper.tensor_dtype_to_np_dtype(number)) if number else ""


class _Reader:
    """One node and what is known of the values that it reads."""

    def __init__(
        self,
        node: NodeProto,
        constants: Mapping[str, Array],
        values: Mapping[str, ValueView],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._node, self._constants, self._values, self._shapes = node, constants, values, shapes
        self._attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}

    def view(self, constants: tuple[ConstantView, ...]) -> OperatorView:
        node = self._node
        kind = _KINDS.get(node.op_type, Kind.OTHER)
        return OperatorView(
            kind,
            node.op_type,
            tuple(name for name in node.input if name in self._values and name),
            tuple(name for name in node.output if name),
            self._sizes(kind),
            self._numbers(kind),
            self._words(kind),
            dict(_attributes(node)),
            constants,
        )

    def _shape(self, place: int) -> tuple[int | None, ...]:
        name = self._node.input[place] if place < len(self._node.input) else ""
        value = self._values.get(name)
        return (value.shape if value is not None else self._shapes.get(name)) or ()

    def _wholes(self, name: str, place: int | None = None) -> tuple[int, ...]:
        """An attribute's, or those of the input in its place, where newer versions have it."""
        found = self._attributes.get(name)
        if found is None and place is not None and place < len(self._node.input):
            found = self._constants.get(self._node.input[place])
        return () if found is None else tuple(int(item) for item in np.asarray(found).reshape(-1))

    def _sizes(self, kind: Kind) -> dict[str, tuple[int, ...]]:
        rank = len(self._shape(0))
        if not rank:
            return {}
        if kind in _REDUCED:
            every = range(2, rank) if self._node.op_type == "GlobalAveragePool" else range(rank)
            return {"axes": tuple(axis % rank for axis in self._wholes("axes", 1)) or tuple(every)}
        if kind is Kind.NORMALIZATION:
            first = (
                (self._wholes("axis") or (-1,))[0] if self._node.op_type.startswith(("Layer", "RMS")) else 2
            )
            return {"axes": tuple(range(first % rank, rank))}
        if kind is Kind.SOFTMAX:
            return {"axes": tuple(axis % rank for axis in self._wholes("axis") or (-1,))}
        if kind is Kind.SLICE:
            return {"begin": self._begin(rank)}
        if kind in (Kind.CONVOLUTION, Kind.AVERAGE_POOLING):
            return self._windows(kind)
        return {}

    def _begin(self, rank: int) -> tuple[int, ...]:
        starts, axes = self._wholes("starts", 1), self._wholes("axes", 3)
        begin, shape = [0] * rank, self._shape(0)
        for axis, first in zip(axes or range(len(starts)), starts, strict=False):
            begin[axis % rank] = first if first >= 0 else first + (shape[axis % rank] or 0)
        return tuple(begin)

    def _windows(self, kind: Kind) -> dict[str, tuple[int, ...]]:
        weight = self._shape(1) if kind is Kind.CONVOLUTION else ()
        kernel = self._wholes("kernel_shape") or tuple(size or 0 for size in weight[2:])
        ends = self._wholes("pads") or (0,) * (2 * len(kernel))
        pads = [
            amount for pair in zip(ends[: len(kernel)], ends[len(kernel) :], strict=True) for amount in pair
        ]
        return {"kernel": kernel, "stride": self._wholes("strides") or (1,) * len(kernel), "pad": tuple(pads)}

    def _numbers(self, kind: Kind) -> dict[str, float]:
        if kind is Kind.NORMALIZATION:
            return {"epsilon": float(self._attributes.get("epsilon", 1e-5))}
        if kind in (Kind.ADD, Kind.LARGER):
            found = [self._constants[name] for name in self._node.input if name in self._constants]
            numbers = [float(item.reshape(-1)[0]) for item in found if item.size == 1]
            return {"constant": numbers[0]} if numbers else {}
        return {}

    def _words(self, kind: Kind) -> frozenset[str]:
        words = set()
        if kind is Kind.AVERAGE_POOLING:
            words |= {"ceil mode"} if self._attributes.get("ceil_mode") else set()
            words |= {"padding counts"} if self._attributes.get("count_include_pad") else set()
        if kind is Kind.CONVOLUTION and self._attributes.get("group", 1) > 1:
            words |= {"depthwise"} if self._shape(1)[1:2] == (1,) else set()
        return frozenset(words)
