"""The operators of a LiteRT model in common words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...source.arrays import Array
from ..view import ConstantView, FileView, Kind, OperatorView, ValueView
from .file import Operator, dtype_of, name_of, operators, read_model, shape_of

__all__ = ["read_view"]

_ACTIVATIONS = (
    "ELU",
    "GELU",
    "HARD_SWISH",
    "LEAKY_RELU",
    "LOGISTIC",
    "PRELU",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "TANH",
)
_MOVES = ("EXPAND_DIMS", "PAD", "PADV2", "RESHAPE", "SQUEEZE", "TRANSPOSE")
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_ACTIVATIONS, Kind.ACTIVATION),
    **dict.fromkeys(_MOVES, Kind.MOVE),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_3D"), Kind.CONVOLUTION),
    **dict.fromkeys(("ADD", "SUB"), Kind.ADD),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), Kind.ARGMAX),
    **dict.fromkeys(("CAST", "QUANTIZE", "DEQUANTIZE"), Kind.CAST),
    **dict.fromkeys(("GATHER", "GATHER_ND"), Kind.GATHER),
    **dict.fromkeys(("SLICE", "STRIDED_SLICE"), Kind.SLICE),
    **dict.fromkeys(("SHAPE", "RANK", "WHERE"), Kind.SHAPE),
    "FULLY_CONNECTED": Kind.LAYER,
    "BATCH_MATMUL": Kind.PRODUCT,
    "SOFTMAX": Kind.SOFTMAX,
    "AVERAGE_POOL_2D": Kind.AVERAGE_POOLING,
    "TOPK_V2": Kind.TOPK,
    "CONCATENATION": Kind.JOIN,
    "MUL": Kind.SCALE,
    "DIV": Kind.DIVIDE,
    "MAXIMUM": Kind.LARGER,
    "MEAN": Kind.MEAN,
    "SUM": Kind.SUM,
    "EXP": Kind.EXPONENTIAL,
    "LOG": Kind.LOGARITHM,
}
_DEPTHWISE = "DEPTHWISE_CONV_2D"


def read_view(path: Path) -> FileView:
    """Raises as :func:`.file.read_model` does."""
    model = read_model(path)
    tensors = model.subgraphs[0].tensors
    items = list(operators(model))
    computed = {place for item in items for place in item.outputs} | set(map(int, model.subgraphs[0].inputs))
    values = {
        name_of(tensors[place]): ValueView(shape_of(tensors[place]), dtype_of(tensors[place]))
        for place in computed
    }
    outputs = tuple(name_of(tensors[int(place)]) for place in model.subgraphs[0].outputs)
    views = tuple(_view(item, tensors, computed, tuple(_numbers(item, model, computed))) for item in items)
    return FileView(views, values, outputs)


def _numbers(item: Operator, model: Any, computed: set[int]) -> Iterator[ConstantView]:
    tensors = model.subgraphs[0].tensors
    for place in item.inputs:
        data = None if place < 0 or place in computed else model.buffers[tensors[place].buffer].data
        if data is None or not len(data):
            continue
        tensor = tensors[place]
        yield ConstantView(
            f"buffer {tensor.buffer}",
            name_of(tensor),
            shape_of(tensor),
            dtype_of(tensor),
            len(data),
            partial(_array, data, dtype_of(tensor)),
        )


def _array(data: Any, dtype: str) -> Array | None:
    """None of types that NumPy has not, and of those that are packed."""
    try:
        return np.frombuffer(bytes(data), dtype)
    except TypeError:
        return None


def _view(
    item: Operator, tensors: Any, computed: set[int], numbers: tuple[ConstantView, ...]
) -> OperatorView:
    kind = _KINDS.get(item.kind, Kind.OTHER)
    if kind is Kind.LAYER and item.inputs[1] in computed:  # the converter writes a product of one batch so
        kind = Kind.PRODUCT
    sizes: dict[str, tuple[int, ...]] = {}
    if kind is Kind.CONVOLUTION and len(item.inputs) > 1:
        sizes["kernel"] = shape_of(tensors[item.inputs[1]])[1:-1]
    if kind is Kind.SOFTMAX:
        sizes["axes"] = (len(shape_of(tensors[item.outputs[0]])) - 1,)  # it has no other
    return OperatorView(
        kind,
        item.kind,
        tuple(name_of(tensors[place]) for place in item.inputs if place in computed),
        tuple(name_of(tensors[place]) for place in item.outputs),
        sizes,
        words=frozenset({"depthwise"} if item.kind == _DEPTHWISE else ()),
        constants=numbers,
    )
