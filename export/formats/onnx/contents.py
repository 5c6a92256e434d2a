"""What is inside an ONNX model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from ..contents import Contents
from .file import read_onnx

__all__ = ["read_contents"]

_FLOATS: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}


def read_contents(path: Path) -> Contents:
    """Raises as :func:`.file.read_onnx` does."""
    model = onnx.shape_inference.infer_shapes(read_onnx(path))
    computed = {
        name for node in model.graph.node if node.op_type not in ("Cast", "Constant") for name in node.output
    }
    values = [*model.graph.value_info, *model.graph.output]
    results = {
        item.name: _FLOATS[item.type.tensor_type.elem_type]
        for item in values
        if item.name in computed and item.type.tensor_type.elem_type in _FLOATS
    }
    weights: Counter[str] = Counter()
    for tensor in _tensors(model):
        if tensor.data_type in _FLOATS:
            weights[_FLOATS[tensor.data_type]] += int(np.prod(tensor.dims))
    return Contents(results, dict(weights))


def _tensors(model: onnx.ModelProto) -> Iterable[TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.HasField("t"):
                yield attribute.t
