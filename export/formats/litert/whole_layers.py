"""Layers on whole numbers, made of layers in float between ``DEQUANTIZE`` and ``QUANTIZE`` in a file's graph; and weights that are
stored as whole numbers, which the runtime makes numbers of when it loads the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .file import name_of
from .file_graph import MOVES, FileGraph, Numbers
from .names import nodes_named
from .whole import Stored

__all__ = ["on_whole_numbers"]

_MOST = 127
_INT8, _INT32 = schema.TensorType.INT8, schema.TensorType.INT32
# By layer, the place of its weight among its operands, and the axis of the weight's outputs.
_WEIGHTS = {
    "CONV_2D": (1, 0), "DEPTHWISE_CONV_2D": (1, 3), "FULLY_CONNECTED": (1, 0), "TRANSPOSE_CONV": (1, 0), "CONV_3D": (1, 4),
}  # fmt: skip
# Of these the runtime's delegate has kernels on whole numbers. All have their input and their bias at these places.
_COMPUTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_INPUT, _BIAS = 0, 2
_PADS = "PAD"  # with the number that stands for zero
_LEAST_RATIO, _MOST_RATIO = 2.0**-32, 2.0**8


def on_whole_numbers(model: Any, weights: Mapping[str, Stored]) -> list[str]:
    """Of each layer in ``weights``, by the names of the program's nodes, that reads and gives whole numbers, make a layer on them;
    and of each other one store the weight as whole numbers. Returns those that were to round what they read by its range, and cannot."""
    if not weights:
        return []
    waiting = {name for name, stored in weights.items() if stored.by_range}
    graph = FileGraph(model)
    graph.share_numbers()
    graph.leave_out_rounding_again()
    graph.share_numbers()
    graph.cancel_transposes()
    graph.write_products()
    layers = [item for item in graph.operators if graph.kind(item) in _WEIGHTS]
    named = [_named(graph, item, weights) for item in layers]
    others = [name for name in weights if name not in named]
    for item, known in zip(layers, named, strict=True):
        kind = graph.kind(item)
        tried = ((name, weights[name]) for name in ([known] if known is not None else others))
        found = ((name, _Layer.of(graph, item, kind, stored)) for name, stored in tried)
        name, layer = next((each for each in found if each[1] is not None), (None, None))
        if name is None or layer is None:
            continue
        if kind == weights[name].by_range:
            layer.read_by_range()
            waiting.discard(name)
        elif kind not in _COMPUTED or not layer.compute_on_whole_numbers():
            layer.store_weight()
        graph.find()
    graph.leave_out_unread()
    graph.declare_versions()
    return [name for name in weights if name in waiting]


def _named(graph: FileGraph, item: Any, weights: Mapping[str, Stored]) -> str | None:
    """The layer by its result's name; None of one that is called after something else, an output or what is computed with it: it is
    known by its weight."""
    return next(iter(nodes_named(name_of(graph.tensors[item.outputs[0]]), weights.keys())), None)


@dataclass(frozen=True)
class _Layer:
    """A layer whose weight is the multiples of ``scales`` by ``numbers``, which are whole, or of float16."""

    graph: FileGraph
    item: Any
    numbers: Numbers
    scales: Numbers
    place: int
    axis: int
    bias: Numbers | None

    @classmethod
    def of(cls, graph: FileGraph, item: Any, kind: str, stored: Stored) -> _Layer | None:
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
            operands[_BIAS] = self.graph.new(operands[_BIAS], _INT32, _steps(steps, 0), numbers=bias)
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
            if kind != _PADS and kind not in MOVES:
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
            if kind not in MOVES:
                return None
            place = int(reader.outputs[0])
        return None

    def _moved(self, before: Sequence[Any], source: int) -> int:
        """The whole numbers, moved as their values were."""
        whole = self.graph.tensors[source]
        for item in before[1:]:
            made = schema.OperatorT()
            made.__dict__.update(item.__dict__)
            result = self.graph.new(int(item.outputs[0]), _INT8, whole.quantization, whole.name)
            made.inputs, made.outputs = [source, *item.inputs[1:]], [result]
            self.graph.insert_before(self.item, made, self.graph.kind(item))
            source = result
        return source

    def _give(self, after: Sequence[Any]) -> None:
        """Whole numbers, which are then moved as its values were."""
        *moves, last = after
        final = int(last.outputs[0])
        whole = self.graph.tensors[final]
        for giver, mover in zip((self.item, *moves), moves, strict=False):
            place = self.graph.new(int(giver.outputs[0]), _INT8, whole.quantization, whole.name)
            giver.outputs, mover.inputs = [place], [place, *mover.inputs[1:]]
        (moves[-1] if moves else self.item).outputs = [final]
        self.graph.operators[:] = [item for item in self.graph.operators if item is not last]

    def read_by_range(self) -> None:
        """Whole numbers for a weight beside numbers for an input: the runtime rounds these at each inference."""
        operands = list(self.item.inputs)
        operands[self.place] = self._weight()
        self.item.inputs = operands

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
            return self.graph.new(like, schema.TensorType.FLOAT16, None, numbers=self.numbers)
        return self.graph.new(like, _INT8, _steps(self.scales, self.axis), numbers=self.numbers)


def _steps(scales: Numbers, axis: int) -> Any:
    """One scale for each index of the axis; 0 stands for zero."""
    made = schema.QuantizationParametersT()
    made.scale = scales.astype(np.float32)
    made.zeroPoint = np.zeros(scales.shape, np.int64)
    made.quantizedDimension = axis
    return made
