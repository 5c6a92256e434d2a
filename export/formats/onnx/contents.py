"""What is inside an ONNX model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import GraphProto, TensorProto

from ..contents import Contents
from .beyond_half import beyond_half
from .file import inferred, read_onnx
from .half_types import takes_half

__all__ = ["read_contents"]

_FLOATS: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}


def read_contents(path: Path) -> Contents:
    """What ONNX, or ONNX Runtime, has in float32 alone is not counted, nor what reads a constant that float16 ends before: they
    say nothing of the others. Raises as :func:`.file.read_onnx` does."""
    model = read_onnx(path)
    graph = inferred(model)
    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=1)
    computed: set[str] = set()
    read: set[str] = set()
    narrowed: set[str] = set()
    beyond = {
        item.name
        for item in model.graph.initializer
        if item.data_type == TensorProto.FLOAT and beyond_half(item) is not None
    }
    for node in graph.node:
        read.update(node.input)
        if not beyond.isdisjoint(node.input):
            continue
        takes, gives = takes_half(node, opset)
        narrowed.update(name for name, can_be in zip(node.input, takes, strict=True) if can_be)
        if node.op_type not in ("Cast", "Constant"):
            computed.update(name for name, can_be in zip(node.output, gives, strict=True) if can_be)
    alone = read - narrowed
    values = [*graph.value_info, *graph.output]
    results = {
        item.name: _FLOATS[item.type.tensor_type.elem_type]
        for item in values
        if item.name in computed and item.type.tensor_type.elem_type in _FLOATS
    }
    weights: Counter[str] = Counter()
    first: dict[str, str] = {}  # who reads it, by what that computes
    for node in graph.node:
        for name in node.input:
            first.setdefault(name, node.output[0] if node.output else "")
    read_by: dict[str, Counter[str]] = {}
    given = {item.name for item in graph.output}  # a constant that is an output has the output's type
    for name, tensor in _tensors(graph):
        if tensor.data_type in _FLOATS and name not in alone and name not in given:
            kind, size = _FLOATS[tensor.data_type], int(np.prod(tensor.dims))
            weights[kind] += size
            read_by.setdefault(first.get(name, ""), Counter())[kind] += size
    return Contents(results, dict(weights), read_by=read_by)


def _tensors(graph: GraphProto) -> Iterable[tuple[str, TensorProto]]:
    """Constants, by what they are read as."""
    yield from ((tensor.name, tensor) for tensor in graph.initializer)
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.HasField("t"):
                yield "".join(node.output), attribute.t
