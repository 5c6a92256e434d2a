"""What is inside an ONNX model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import GraphProto, TensorProto

from ..contents import Contents
from .file import inferred, read_onnx

__all__ = ["read_contents"]

_FLOATS: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}


def read_contents(path: Path) -> Contents:
    """Raises as :func:`.file.read_onnx` does."""
    graph = inferred(read_onnx(path))
    computed = {
        name for node in graph.node if node.op_type not in ("Cast", "Constant") for name in node.output
    }
    values = [*graph.value_info, *graph.output]
    results = {
        item.name: _FLOATS[item.type.tensor_type.elem_type]
        for item in values
        if item.name in computed and item.type.tensor_type.elem_type in _FLOATS
    }
    weights: Counter[str] = Counter()
    for tensor in _tensors(graph):
        if tensor.data_type in _FLOATS:
            weights[_FLOATS[tensor.data_type]] += int(np.prod(tensor.dims))
    return Contents(results, dict(weights))


def _tensors(graph: GraphProto) -> Iterable[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.HasField("t"):
                yield attribute.t
