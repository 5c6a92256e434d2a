"""An ONNX file as a :class:`.graph.Graph`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.random import Generator
from onnx import numpy_helper

from cloformer.export.artifact.folder import Artifact

from .graph import Array, Graph, Operator

__all__ = ["OnnxGraph"]

_KINDS = {
    "Add": "add", "AveragePool": "avg_pool", "Clip": "clip", "Concat": "concat", "Conv": "conv",
    "ConvTranspose": "conv_transpose", "Div": "div", "Gather": "gather", "Gelu": "gelu", "Gemm": "linear",
    "HardSigmoid": "sigmoid_hard", "HardSwish": "hardswish", "Identity": "identity",
    "InstanceNormalization": "layer_norm", "LayerNormalization": "layer_norm", "LeakyRelu": "leaky_relu",
    "MatMul": "matmul", "MaxPool": "max_pool", "Mul": "mul", "Pad": "pad", "ReduceMax": "reduce_max",
    "ReduceMean": "reduce_mean", "ReduceSum": "reduce_sum", "Relu": "relu", "Reshape": "reshape", "Resize": "resize",
    "Sigmoid": "sigmoid", "Slice": "slice", "Softmax": "softmax", "Split": "split", "Sub": "sub", "Tanh": "tanh",
    "Transpose": "transpose",
}  # fmt: skip
_TYPES = {kind: name for name, kind in _KINDS.items() if name != "LayerNormalization"}
_INPUTS = {
    "clip": ("x", "alpha", "beta"),
    "conv": ("x", "weight", "bias"),
    "conv_transpose": ("x", "weight", "bias"),
    "gather": ("x", "indices"),
    "linear": ("x", "weight", "bias"),
    "layer_norm": ("x", "gamma", "beta"),
    "pad": ("x", "pad"),
    "reshape": ("x", "shape"),
    "slice": ("x", "begin", "end", "axes"),
    **dict.fromkeys(("reduce_mean", "reduce_sum"), ("x", "axes")),
    **dict.fromkeys(("add", "div", "matmul", "mul", "sub"), ("x", "y")),
}
_ATTRIBUTES = {"pads": "pad", "kernel_shape": "kernel_sizes", "approximate": "mode"}
_ATTRIBUTE_NAMES = {name: attribute for attribute, name in _ATTRIBUTES.items()}


class OnnxGraph(Graph):
    """Attributes are constants like any other; pads are (top, bottom, left, right)."""

    tanh_gelu = ("mode", "tanh")
    edge = "edge"

    def __init__(self, artifact: Artifact) -> None:
        super().__init__(artifact)
        self._sound = onnx.load(artifact.model_path)
        weights = {item.name: numpy_helper.to_array(item) for item in self._sound.graph.initializer}
        self.operators = [
            _operator(index, node, weights) for index, node in enumerate(self._sound.graph.node)
        ]
        self.restore()

    def restore(self) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(self._sound)

    def set(self, operator: Operator, name: str, value: Array | str) -> None:
        node, names = self._node(operator), _parameters(operator.kind, self._node(operator))
        if name in names:
            own = f"planted.{operator.outputs[0]}.{name}"
            self._model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), own))
            node.input[names.index(name)] = own
            return
        own = any(item.name == name for item in node.attribute)  # "mode" is also what some call it themselves
        attribute = name if own else _ATTRIBUTE_NAMES.get(name, name)
        kept = [item for item in node.attribute if item.name != attribute]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute(attribute, _as_attribute(name, value))])

    def drop(self, operator: Operator, name: str) -> None:
        node = self._node(operator)
        del node.input[_parameters(operator.kind, node).index(name)]

    def read(self, operator: Operator, name: str, value: str) -> None:
        node = self._node(operator)
        node.input[_parameters(operator.kind, node).index(name)] = value

    def become(
        self, operator: Operator, kind: str, *, x: str | None = None, keep: tuple[str, ...] = ()
    ) -> None:
        node = self._node(operator)
        names = _parameters(operator.kind, node)
        inputs = [x or node.input[0], *(node.input[names.index(name)] for name in keep if name in names)]
        kept = [item for item in node.attribute if _ATTRIBUTES.get(item.name, item.name) in keep]
        node.op_type = _TYPES[kind]
        node.input[:] = inputs
        del node.attribute[:]
        node.attribute.extend(kept)

    def swap_outputs(self, operator: Operator, first: int, second: int) -> None:
        names = self._node(operator).output
        names[first], names[second] = names[second], names[first]

    def resize_otherwise(self, operator: Operator, random: Generator) -> str:
        name = str(random.choice(("coordinate_transformation_mode", "mode")))
        own = bytes(operator.constants[name].item()).decode()
        others = {
            "coordinate_transformation_mode": ("half_pixel", "align_corners", "asymmetric"),
            "mode": ("linear", "nearest", "cubic"),
        }[name]
        other = str(random.choice([item for item in others if item != own]))
        self.set(operator, name, other)
        return f"{name} is {other} instead of {own}"

    def scale_results(self, factors: Mapping[str, float]) -> None:
        graph = self._model.graph
        written = []
        for node in graph.node:
            written.append(node)
            for place, name in enumerate(node.output):
                if name not in factors:
                    continue
                node.output[place] = before = f"{name}.before"
                number = f"{name}.factor"
                graph.initializer.append(numpy_helper.from_array(np.array(factors[name], np.float32), number))
                written.append(onnx.helper.make_node("Mul", [before, number], [name]))
        kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in written]
        del graph.node[:]
        graph.node.extend(kept)

    def _node(self, operator: Operator) -> onnx.NodeProto:
        return self._model.graph.node[operator.index]

    def _write_model(self, path: Path) -> None:
        path.write_bytes(self._model.SerializeToString())


def _parameters(kind: str, node: onnx.NodeProto) -> tuple[str, ...]:
    if kind == "concat":
        return tuple(f"values {number}" for number in range(len(node.input)))
    known = _INPUTS.get(kind, ("x",))[: len(node.input)]
    return (*known, *(f"input {number}" for number in range(len(known), len(node.input))))


def _operator(index: int, node: onnx.NodeProto, weights: dict[str, Array]) -> Operator:
    kind = _KINDS.get(node.op_type, node.op_type.lower())
    given = dict(zip(_parameters(kind, node), node.input, strict=True))
    constants = {name: weights[value] for name, value in given.items() if value in weights}
    for attribute in node.attribute:
        name = _ATTRIBUTES.get(attribute.name, attribute.name)
        value = onnx.helper.get_attribute_value(attribute)
        constants[name] = np.array(
            [value[0], value[2], value[1], value[3]] if name == "pad" and len(value) == 4 else value
        )
    reads = {name: value for name, value in given.items() if value not in weights}
    return Operator(index, kind, tuple(node.output), reads, constants)


def _as_attribute(name: str, value: Array | str) -> Any:
    if isinstance(value, str):
        return value
    plain = np.asarray(value).tolist()
    return [plain[0], plain[2], plain[1], plain[3]] if name == "pad" else plain
