"""Layers on whole numbers, made of layers in float between ``DEQUANTIZE`` and ``QUANTIZE`` in a file's graph; and weights that are
stored as whole numbers, which the runtime makes numbers of when it loads the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .file import array_of, name_of, operators
from .names import nodes_named
from .whole import Stored

__all__ = ["on_whole_numbers"]

Numbers: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_MOST = 127
_INT8, _INT32 = schema.TensorType.INT8, schema.TensorType.INT32
# By layer, the place of its weight among its operands, and the axis of the weight's outputs.
_WEIGHTS = {
    "CONV_2D": (1, 0), "DEPTHWISE_CONV_2D": (1, 3), "FULLY_CONNECTED": (1, 0), "TRANSPOSE_CONV": (1, 0), "CONV_3D": (1, 4),
}  # fmt: skip
# Of these the runtime's delegate has kernels on whole numbers. All have their input and their bias at these places.
_COMPUTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_INPUT, _BIAS = 0, 2
# What moves numbers, or adds the one that stands for zero.
_MOVES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TRANSPOSE")
_PADS = "PAD"
_LEAST_RATIO, _MOST_RATIO = 2.0**-32, 2.0**8


def on_whole_numbers(model: Any, weights: Mapping[str, Stored]) -> None:
    """Of each layer in ``weights``, by the names of the program's nodes, that reads and gives whole numbers, make a layer on them;
    and of each other one store the weight as whole numbers."""
    if not weights:
        return
    graph = _Graph(model)
    for item in list(graph.operators):
        kind = graph.kind(item)
        if kind not in _WEIGHTS:
            continue
        named = nodes_named(name_of(graph.tensors[item.outputs[0]]), weights.keys())
        layer = _Layer.of(graph, item, kind, weights[named[0]]) if named else None
        if layer is None:
            continue
        if kind not in _COMPUTED or not layer.compute_on_whole_numbers():
            layer.store_weight()
        graph.find()
    graph.leave_out_unread()


class _Graph:
    """A file's graph under change. Tensors are told by their places."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.graph = model.subgraphs[0]
        self.tensors: list[Any] = self.graph.tensors
        self.operators: list[Any] = self.graph.operators
        found = zip(self.operators, operators(model), strict=True)
        self._kinds = {id(item): told.kind for item, told in found}
        self.find()

    def find(self) -> None:
        """Who makes and who reads each tensor."""
        self.makers = {int(place): item for item in self.operators for place in item.outputs}
        self.readers: dict[int, list[Any]] = {}
        for item in self.operators:
            for place in item.inputs:
                self.readers.setdefault(int(place), []).append(item)

    def kind(self, item: Any) -> str:
        return self._kinds[id(item)]

    def numbers(self, place: int) -> Numbers | None:
        """A constant's."""
        return array_of(self.model, self.tensors[place])

    def new(self, like: int, kind: int, quantization: Any, numbers: Numbers | None = None) -> int:
        """A tensor of the shape and the name of ``like``, computed or constant."""
        before, made = self.tensors[like], schema.TensorT()
        made.shape, made.shapeSignature = before.shape, before.shapeSignature
        made.hasRank, made.name = before.hasRank, before.name
        made.type, made.quantization, made.buffer = kind, quantization, 0
        if numbers is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(numbers).tobytes(), np.uint8)
            made.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.tensors.append(made)
        return len(self.tensors) - 1

    def insert_before(self, item: Any, made: Any, kind: str) -> None:
        self._kinds[id(made)] = kind
        self.operators.insert(next(at for at, other in enumerate(self.operators) if other is item), made)

    def code(self, number: int) -> int:
        """The place of an operator's kind among those that the file names."""
        for place, code in enumerate(self.model.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == number:
                return place
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = number
        made.version = 2  # of those that make numbers of constants, too
        self.model.operatorCodes.append(made)
        return len(self.model.operatorCodes) - 1

    def leave_out_unread(self) -> None:
        """Operators, tensors and constants that nothing reads any more."""
        needed = set(map(int, self.graph.outputs))
        for item in reversed(self.operators):
            if not needed.isdisjoint(map(int, item.outputs)):
                needed |= {int(place) for place in (*item.inputs, *item.outputs)}
        self.operators[:] = [item for item in self.operators if not needed.isdisjoint(map(int, item.outputs))]
        kept = sorted((needed | set(map(int, self.graph.inputs))) - {-1})
        new = {place: number for number, place in enumerate(kept)} | {-1: -1}
        for owner in (self.graph, *self.operators):
            owner.inputs, owner.outputs = ([new[int(p)] for p in ps] for ps in (owner.inputs, owner.outputs))
        for function in self.model.signatureDefs:
            for entry in (*function.inputs, *function.outputs):
                entry.tensorIndex = new[entry.tensorIndex]
        self.tensors[:] = [self.tensors[place] for place in kept]
        self._leave_out_buffers()

    def _leave_out_buffers(self) -> None:
        owners = [tensor for graph in self.model.subgraphs for tensor in graph.tensors]
        owners += self.model.metadata or []
        kept = sorted({0, *(owner.buffer for owner in owners)})  # the first is empty, and stands for none
        new = {place: number for number, place in enumerate(kept)}
        for owner in owners:
            owner.buffer = new[owner.buffer]
        self.model.buffers[:] = [self.model.buffers[place] for place in kept]


@dataclass(frozen=True)
class _Layer:
    """A layer whose weight is the multiples of ``scales`` by ``numbers``, which are whole, or of float16."""

    graph: _Graph
    item: Any
    numbers: Numbers
    scales: Numbers
    place: int
    axis: int
    bias: Numbers | None

    @classmethod
    def of(cls, graph: _Graph, item: Any, kind: str, stored: Stored) -> _Layer | None:
        """None if its weight is no constant, or not the multiples of these scales: then the converter has put more into it."""
        place, axis = _WEIGHTS[kind]
        value = graph.numbers(item.inputs[place])
        if value is None or stored.scales.numel() not in (1, value.shape[axis]):
            return None
        if stored.is_half:
            halves = value.astype(np.float16)
            is_it = np.array_equal(halves.astype(np.float32), value)
            return cls(graph, item, halves, np.ones(1, np.float32), place, axis, None) if is_it else None
        scales = np.broadcast_to(stored.scales.numpy(), value.shape[axis]).astype(np.float32)
        wide = scales.reshape([-1 if at == axis else 1 for at in range(value.ndim)])
        numbers = np.round(value / wide)
        if np.abs(numbers).max() > _MOST or not np.array_equal(numbers * wide, value):
            return None
        bias = None if stored.bias is None else stored.bias.numpy()
        return cls(graph, item, numbers.astype(np.int8), scales, place, axis, bias)

    def compute_on_whole_numbers(self) -> bool:
        """Whether it could be made a layer on whole numbers, and was."""
        if self.numbers.dtype != np.int8:
            return False
        before, after = self._moves_before(), self._moves_after()
        if before is None or after is None:
            return False
        source, *_ = before[0].inputs
        if not self._has_ratios(int(source), int(after[-1].outputs[0])):
            return False
        operands = list(self.item.inputs)
        if len(operands) > _BIAS and operands[_BIAS] >= 0:
            steps = self.graph.tensors[source].quantization.scale[0] * self.scales
            bias = self._bias(operands[_BIAS], steps)
            if bias is None:
                return False
            operands[_BIAS] = self.graph.new(operands[_BIAS], _INT32, _steps(steps, 0), bias)
        operands[self.place] = self._weight()
        operands[_INPUT] = self._moved(before, int(source))
        self.item.inputs = operands
        self._give(after)
        return True

    def _has_ratios(self, given: int, made: int) -> bool:
        """Whether a step of a product over one of the result is within what the delegate's kernels have; else it refuses the
        whole model."""
        of_given, of_made = (
            float(self.graph.tensors[place].quantization.scale[0]) for place in (given, made)
        )
        ratios = of_given * self.scales.astype(np.float64) / of_made
        return bool(((ratios >= _LEAST_RATIO) & (ratios < _MOST_RATIO)).all())

    def _bias(self, place: int, steps: Numbers) -> Numbers | None:
        """The whole numbers of the bias: its own, or zeros; None if it is of other numbers."""
        value = self.graph.numbers(place)
        if value is None or value.shape != steps.shape:
            return None
        whole = np.zeros(value.shape, np.int32) if self.bias is None else self.bias.astype(np.int32)
        is_it = whole.shape == value.shape and np.array_equal(whole.astype(np.float32) * steps, value)
        return whole if is_it else None

    def _moves_before(self) -> list[Any] | None:
        """``DEQUANTIZE``, and what moves or pads its result on the way to the layer; None if something else is read."""
        found: list[Any] = []
        place = int(self.item.inputs[_INPUT])
        while (maker := self.graph.makers.get(place)) is not None:
            found.insert(0, maker)
            kind = self.graph.kind(maker)
            if kind == "DEQUANTIZE":
                return found
            if kind != _PADS and kind not in _MOVES:
                return None
            place = int(maker.inputs[0])
        return None

    def _moves_after(self) -> list[Any] | None:
        """What moves the layer's result on the way to ``QUANTIZE``, and that; None if the result is read by something else."""
        found: list[Any] = []
        place = int(self.item.outputs[0])
        while (
            len(readers := self.graph.readers.get(place, [])) == 1 and place not in self.graph.graph.outputs
        ):
            (reader,) = readers
            found.append(reader)
            kind = self.graph.kind(reader)
            if kind == "QUANTIZE":
                return found
            if kind not in _MOVES:
                return None
            place = int(reader.outputs[0])
        return None

    def _moved(self, before: Sequence[Any], source: int) -> int:
        """The whole numbers, moved as their values were."""
        quantization = self.graph.tensors[source].quantization
        for item in before[1:]:
            made = schema.OperatorT()
            made.__dict__.update(item.__dict__)
            result = self.graph.new(int(item.outputs[0]), _INT8, quantization)
            made.inputs, made.outputs = [source, *item.inputs[1:]], [result]
            self.graph.insert_before(self.item, made, self.graph.kind(item))
            source = result
        return source

    def _give(self, after: Sequence[Any]) -> None:
        """Whole numbers, which are then moved as its values were."""
        *moves, last = after
        final = int(last.outputs[0])
        quantization = self.graph.tensors[final].quantization
        for giver, mover in zip((self.item, *moves), moves, strict=False):
            place = self.graph.new(int(giver.outputs[0]), _INT8, quantization)
            giver.outputs, mover.inputs = [place], [place, *mover.inputs[1:]]
        (moves[-1] if moves else self.item).outputs = [final]
        self.graph.operators[:] = [item for item in self.graph.operators if item is not last]

    def store_weight(self) -> None:
        """The layer reads numbers that are made of whole or shorter ones."""
        value = int(self.item.inputs[self.place])
        made = schema.OperatorT()
        made.opcodeIndex = self.graph.code(schema.BuiltinOperator.DEQUANTIZE)
        result = self.graph.new(value, schema.TensorType.FLOAT32, None)
        made.inputs, made.outputs = [self._weight()], [result]
        self.graph.insert_before(self.item, made, "DEQUANTIZE")
        operands = list(self.item.inputs)
        operands[self.place] = result
        self.item.inputs = operands

    def _weight(self) -> int:
        like = int(self.item.inputs[self.place])
        if self.numbers.dtype != np.int8:
            return self.graph.new(like, schema.TensorType.FLOAT16, None, self.numbers)
        return self.graph.new(like, _INT8, _steps(self.scales, self.axis), self.numbers)


def _steps(scales: Numbers, axis: int) -> Any:
    """One scale for each index of the axis; 0 stands for zero."""
    made = schema.QuantizationParametersT()
    made.scale = scales.astype(np.float32)
    made.zeroPoint = np.zeros(scales.shape, np.int64)
    made.quantizedDimension = axis
    return made
