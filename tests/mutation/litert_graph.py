"""A LiteRT file as a :class:`.graph.Graph`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.random import Generator

from cloformer.export.artifact.folder import Artifact
from cloformer.export.artifact.origins import read_origins
from cloformer.export.formats.litert.file import (
    array_of,
    name_of,
    packed,
    read_model,
    shape_of,
)
from cloformer.export.formats.litert.file import operators as operators_of

from .graph import Array, Graph, Operator

__all__ = ["LiteRtGraph"]

_KINDS = {
    "ADD": "add", "AVERAGE_POOL_2D": "avg_pool", "BATCH_MATMUL": "matmul", "CONCATENATION": "concat", "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "conv", "DIV": "div", "FULLY_CONNECTED": "linear", "GELU": "gelu", "LOGISTIC": "sigmoid",
    "MAX_POOL_2D": "max_pool", "MEAN": "reduce_mean", "MUL": "mul", "PAD": "pad", "REDUCE_MAX": "reduce_max",
    "RELU": "relu", "RESHAPE": "reshape", "RESIZE_BILINEAR": "resize", "RESIZE_NEAREST_NEIGHBOR": "resize",
    "SLICE": "slice", "SOFTMAX": "softmax", "SPLIT": "split", "SUB": "sub", "SUM": "reduce_sum", "TANH": "tanh",
    "TRANSPOSE": "transpose",
}  # fmt: skip
_TYPES = {
    "add": "ADD", "gelu": "GELU", "max_pool": "MAX_POOL_2D", "mul": "MUL", "reduce_max": "REDUCE_MAX", "relu": "RELU",
    "sigmoid": "LOGISTIC", "sub": "SUB", "tanh": "TANH",
}  # fmt: skip
_LAYER, _PAIR = ("x", "weight", "bias"), ("x", "y")
_INPUTS = {
    "conv": _LAYER, "linear": _LAYER, "pad": ("x", "by"), "reshape": ("x", "shape"), "slice": ("x", "begin", "size"),
    "transpose": ("x", "order"), "split": ("axis", "x"), "resize": ("x", "size"),
    **dict.fromkeys(("reduce_mean", "reduce_sum", "reduce_max"), ("x", "axes")),
    **dict.fromkeys(("add", "div", "matmul", "mul", "sub"), _PAIR),
}  # fmt: skip
# The axes of a weight in the file, in the order of PyTorch's.
_ORDERS = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2)}
_OPTIONS = {
    "transpose_x": "adjX", "transpose_y": "adjY", "approximate": "approximate", "fused": "fusedActivationFunction",
}  # fmt: skip
_PLAIN = {
    "add": schema.AddOptionsT,
    "mul": schema.MulOptionsT,
    "sub": schema.SubOptionsT,
    "gelu": schema.GeluOptionsT,
}
_PLAIN_TYPES = {
    "add": schema.BuiltinOptions.AddOptions, "mul": schema.BuiltinOptions.MulOptions,
    "sub": schema.BuiltinOptions.SubOptions, "gelu": schema.BuiltinOptions.GeluOptions,
}  # fmt: skip


class LiteRtGraph(Graph):
    """Weights have their axes as PyTorch's; the padding of a layer is that of the operator that pads before it: (top, bottom,
    left, right). Activations that a layer applies to its result are its parameter ``fused``."""

    tanh_gelu = ("approximate", "tanh")

    def __init__(self, artifact: Artifact) -> None:
        super().__init__(artifact)
        self._known = set(read_origins(artifact).equals.values())  # values that are the trace's
        self.restore()
        self._kinds = [item.kind for item in operators_of(self._model)]
        self._makers = {
            int(place): number for number, item in enumerate(self._graph.operators) for place in item.outputs
        }
        self._given = {*self._makers, *map(int, self._graph.inputs)}
        self.operators = [self._operator(number) for number in range(len(self._kinds))]

    def restore(self) -> None:
        self._model = read_model(self.artifact.model_path)

    @property
    def _graph(self) -> Any:
        return self._model.subgraphs[0]

    def _operator(self, number: int) -> Operator:
        item, kind = (
            self._graph.operators[number],
            _KINDS.get(self._kinds[number], self._kinds[number].lower()),
        )
        tensors = self._graph.tensors
        reads, constants = {}, {}
        for name, place in zip(_parameters(kind, item), map(int, item.inputs), strict=True):
            if place in self._given:
                reads[name] = name_of(tensors[place])
            elif place >= 0:
                value = array_of(self._model, tensors[place])
                assert value is not None
                constants[name] = self._turned(number, value) if name == "weight" else value
        for name, attribute in _OPTIONS.items():
            found = getattr(item.builtinOptions, attribute, None)
            if found is not None and (name != "fused" or found):
                constants[name] = np.array(found)
        padding = self._padding(number)
        if kind == "conv" and padding is not None:
            constants["pad"] = np.array(padding)
        outputs = tuple(name_of(tensors[place]) for place in item.outputs)
        return Operator(number, kind, outputs, reads, constants)

    def _turned(self, number: int, value: Array) -> Array:
        order = _ORDERS.get(self._kinds[number])
        return value if order is None else np.ascontiguousarray(value.transpose(order))

    def _padder(self, number: int) -> Any:
        """The operator that the converter wrote to pad what this one reads; None if none does. One of the trace's is its own."""
        place = int(self._graph.operators[number].inputs[0])
        before = self._makers.get(place)
        if (
            before is None
            or self._kinds[before] != "PAD"
            or name_of(self._graph.tensors[place]) in self._known
        ):
            return None
        return self._graph.operators[before]

    def _padding(self, number: int) -> list[int] | None:
        padder = self._padder(number)
        if padder is None:
            return None
        by = array_of(self._model, self._graph.tensors[int(padder.inputs[1])])
        assert by is not None
        return [int(size) for size in by[1:3].reshape(-1)]

    def set(self, operator: Operator, name: str, value: Array | str) -> None:
        item = self._graph.operators[operator.index]
        if name == "pad":
            (top, bottom), (left, right) = np.asarray(value).reshape(2, 2).tolist()
            by = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
            self._give(self._padder(operator.index), 1, by)
        elif name == "dilations":
            item.builtinOptions.dilationHFactor, item.builtinOptions.dilationWFactor = np.asarray(
                value
            ).tolist()
        elif name in _OPTIONS:
            setattr(
                item.builtinOptions,
                _OPTIONS[name],
                True if isinstance(value, str) else np.asarray(value).item(),
            )
        else:
            place = _parameters(operator.kind, item).index(name)
            order = _ORDERS.get(self._kinds[operator.index]) if name == "weight" else None
            array = np.asarray(value) if order is None else np.asarray(value).transpose(np.argsort(order))
            self._give(item, place, np.ascontiguousarray(array))

    def _give(self, item: Any, place: int, value: Array) -> None:
        """Let an operator read a constant of its own in the place of another."""
        tensors, buffers = self._graph.tensors, self._model.buffers
        old = tensors[int(item.inputs[place])]
        buffers.append(schema.BufferT(data=np.frombuffer(value.tobytes(), np.uint8)))
        tensor = schema.TensorT(
            shape=list(value.shape),
            type=old.type,
            buffer=len(buffers) - 1,
            name=b"planted." + old.name,
            quantization=copy.copy(old.quantization),
        )
        tensors.append(tensor)
        inputs = list(map(int, item.inputs))
        inputs[place] = len(tensors) - 1
        item.inputs = inputs

    def tensor(self, value: str) -> Any:
        """What the file says of a value."""
        return self._graph.tensors[self._place(value)]

    def operand(self, operator: Operator, name: str) -> Any:
        """What the file says of what an operator reads."""
        item = self._graph.operators[operator.index]
        return self._graph.tensors[int(item.inputs[_parameters(operator.kind, item).index(name)])]

    def drop(self, operator: Operator, name: str) -> None:
        """A layer of LiteRT's has a bias always: zeros are none."""
        self.set(operator, name, np.zeros_like(operator.constants[name]))

    def read(self, operator: Operator, name: str, value: str) -> None:
        item = self._graph.operators[operator.index]
        inputs = list(map(int, item.inputs))
        inputs[_parameters(operator.kind, item).index(name)] = self._place(value)
        item.inputs = inputs

    def _place(self, value: str) -> int:
        return next(number for number, each in enumerate(self._graph.tensors) if name_of(each) == value)

    def become(
        self, operator: Operator, kind: str, *, x: str | None = None, keep: tuple[str, ...] = ()
    ) -> None:
        item = self._graph.operators[operator.index]
        names = _parameters(operator.kind, item)
        source = self._place(x) if x is not None else int(item.inputs[names.index("x")])
        if kind == "identity":
            shape = np.array(shape_of(self._graph.tensors[int(item.outputs[0])]), np.int32)
            item.inputs = [source, self._constant(shape)]
            self._code(item, "RESHAPE")
            item.builtinOptions, item.builtinOptionsType = None, 0
            return
        item.inputs = [source, *(int(item.inputs[names.index(name)]) for name in keep if name in names)]
        self._code(item, _TYPES[kind])
        if kind not in ("max_pool", "reduce_max"):  # which have the options of what they were
            made = _PLAIN.get(kind)
            item.builtinOptions = None if made is None else made()
            item.builtinOptionsType = _PLAIN_TYPES.get(kind, 0)

    def _constant(self, value: Array) -> int:
        self._model.buffers.append(schema.BufferT(data=np.frombuffer(value.tobytes(), np.uint8)))
        tensor = schema.TensorT(
            shape=list(value.shape),
            type=schema.TensorType.INT32,
            buffer=len(self._model.buffers) - 1,
            name=b"planted",
        )
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _code(self, item: Any, kind: str) -> None:
        number = getattr(schema.BuiltinOperator, kind)
        code = schema.OperatorCodeT(deprecatedBuiltinCode=min(number, 127), version=1, builtinCode=number)
        self._model.operatorCodes.append(code)
        item.opcodeIndex = len(self._model.operatorCodes) - 1

    def swap_outputs(self, operator: Operator, first: int, second: int) -> None:
        item = self._graph.operators[operator.index]
        outputs = list(map(int, item.outputs))
        outputs[first], outputs[second] = outputs[second], outputs[first]
        item.outputs = outputs

    def resize_otherwise(self, operator: Operator, random: Generator) -> str:
        options = self._graph.operators[operator.index].builtinOptions
        name = str(random.choice(("halfPixelCenters", "alignCorners")))
        setattr(options, name, not getattr(options, name))
        return f"{name} is {getattr(options, name)}"

    def scale_results(self, factors: Mapping[str, float]) -> None:
        raise NotImplementedError("for number formats that end before a result, which float32 is not")

    def _write_model(self, path: Path) -> None:
        path.write_bytes(packed(self._model))


def _parameters(kind: str, item: Any) -> tuple[str, ...]:
    count = len(item.inputs)
    if kind == "concat":
        return tuple(f"values {number}" for number in range(count))
    known = _INPUTS.get(kind, ("x",))[:count]
    return (*known, *(f"input {number}" for number in range(len(known), count)))
