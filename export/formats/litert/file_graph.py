"""A file's graph under change."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .file import array_of, operators, shape_of

__all__ = ["MOVES", "FileGraph", "Numbers"]

Numbers: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_INT8, _FLOAT16 = schema.TensorType.INT8, schema.TensorType.FLOAT16
# The first versions of operators that read such numbers, as TensorFlow's op_version.cc has them.
_VERSIONS = {
    ("CONV_2D", _INT8): 3, ("DEPTHWISE_CONV_2D", _INT8): 3, ("FULLY_CONNECTED", _INT8): 4, ("TRANSPOSE", _INT8): 2,
    ("PAD", _INT8): 2, ("DEQUANTIZE", _INT8): 2, ("DEQUANTIZE", _FLOAT16): 3,
}  # fmt: skip
_OF_CHANNELS = 5  # of DEQUANTIZE, with a scale for each
# What moves numbers, and changes none.
MOVES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TRANSPOSE")


class FileGraph:
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

    def new(
        self,
        like: int,
        kind: int,
        quantization: Any,
        name: bytes | None = None,
        numbers: Numbers | None = None,
    ) -> int:
        """A tensor of the shape of ``like``, computed or constant."""
        before, made = self.tensors[like], schema.TensorT()
        made.shape, made.shapeSignature, made.hasRank = before.shape, before.shapeSignature, before.hasRank
        made.type, made.quantization, made.name, made.buffer = kind, quantization, name, 0
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

    def code(self, number: int, version: int = 1) -> int:
        """The place of an operator's kind, in this version, among those that the file names."""
        for place, code in enumerate(self.model.operatorCodes):
            if (_number(code), code.version) == (number, version):
                return place
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = number
        made.version = version
        self.model.operatorCodes.append(made)
        return len(self.model.operatorCodes) - 1

    def declare_versions(self) -> None:
        """Of every operator the first version that computes on what it reads: an older runtime then refuses the file, which it
        would misread."""
        for item in self.operators:
            read = self.tensors[int(item.inputs[0])]
            version = _VERSIONS.get((self.kind(item), read.type), 1)
            if self.kind(item) == "DEQUANTIZE" and read.type == _INT8 and len(read.quantization.scale) > 1:
                version = _OF_CHANNELS
            code = self.model.operatorCodes[item.opcodeIndex]
            if version > code.version:
                item.opcodeIndex = self.code(_number(code), version)

    def share_numbers(self) -> None:
        """All that read the numbers of the same whole ones read the same."""
        first: dict[int, int] = {}
        for item in self.operators:
            if self.kind(item) == "DEQUANTIZE":
                self._replace(
                    int(item.outputs[0]), first.setdefault(int(item.inputs[0]), int(item.outputs[0]))
                )
        self.find()

    def leave_out_rounding_again(self) -> None:
        """The converter exchanges axes of numbers alone: it makes numbers of whole ones, moves them, and rounds them again with
        the same steps, which changes nothing. What is made of these reads what was moved."""
        for item in [item for item in self.operators if self.kind(item) == "QUANTIZE"]:
            place, (rounded,) = int(item.inputs[0]), item.outputs
            source = self._rounded_before(place)
            if source is None or not self._have_same_steps(source, int(rounded)):
                continue
            for reader in list(self.readers.get(int(rounded), [])):
                if self.kind(reader) == "DEQUANTIZE":
                    self._replace(int(reader.outputs[0]), place)
            self.find()

    def _rounded_before(self, place: int) -> int | None:
        """The whole numbers that a value is made of, moved."""
        while (maker := self.makers.get(place)) is not None and self.kind(maker) in MOVES:
            place = int(maker.inputs[0])
        is_it = maker is not None and self.kind(maker) == "DEQUANTIZE"
        return int(maker.inputs[0]) if is_it else None  # type: ignore[union-attr]  # where it is one

    def _have_same_steps(self, one: int, other: int) -> bool:
        given, made = (self.tensors[place].quantization for place in (one, other))
        return list(given.scale) == list(made.scale) and list(given.zeroPoint) == list(made.zeroPoint)

    def _replace(self, place: int, by: int) -> None:
        """But among the outputs, which are what they are."""
        for reader in self.readers.get(place, []):
            reader.inputs = [by if int(each) == place else each for each in reader.inputs]

    def cancel_transposes(self) -> None:
        """Axes that are exchanged and exchanged back, also where numbers are rounded between."""
        for item in [item for item in self.operators if self.kind(item) == "TRANSPOSE"]:
            maker = self.makers.get(int(item.inputs[0]))
            if maker is None:
                continue
            if self.kind(maker) == "TRANSPOSE" and self._are_inverse(maker, item):
                self._replace(int(item.outputs[0]), int(maker.inputs[0]))
            elif self.kind(maker) == "QUANTIZE" and len(self.readers[int(item.inputs[0])]) == 1:
                first = self.makers.get(int(maker.inputs[0]))
                if first is None or self.kind(first) != "TRANSPOSE" or not self._are_inverse(first, item):
                    continue
                maker.inputs, maker.outputs = [first.inputs[0]], item.outputs
                self.operators[:] = [other for other in self.operators if other is not item]
            else:
                continue
            self.find()

    def _are_inverse(self, first: Any, second: Any) -> bool:
        orders = [self.numbers(int(item.inputs[1])) for item in (first, second)]
        if any(order is None for order in orders):
            return False
        one, other = ([int(axis) for axis in order] for order in orders if order is not None)
        return [one[axis] for axis in other] == list(range(len(one)))

    def write_products(self) -> None:
        """The converter takes what is made of whole numbers for a weight, and writes a product with it as a layer, whose weight is
        computed, which the delegate does not take: it is a product again."""
        for item in self.operators:
            if self.kind(item) != "FULLY_CONNECTED" or not self._is_product(item):
                continue
            options = schema.BatchMatMulOptionsT()
            options.adjY = True
            item.builtinOptions, item.builtinOptionsType = options, schema.BuiltinOptions.BatchMatMulOptions
            item.inputs = item.inputs[:2]
            item.opcodeIndex = self.code(schema.BuiltinOperator.BATCH_MATMUL)
            self._kinds[id(item)] = "BATCH_MATMUL"
        self.find()

    def _is_product(self, item: Any) -> bool:
        """Whether a layer's weight is computed, and the layer adds and clips nothing and keeps its input's axes."""
        has_bias = len(item.inputs) > 2 and int(item.inputs[2]) >= 0
        ranks = {len(shape_of(self.tensors[int(place)])) for place in (item.inputs[0], item.outputs[0])}
        is_plain = not has_bias and not item.builtinOptions.fusedActivationFunction and len(ranks) == 1
        return is_plain and int(item.inputs[1]) in self.makers

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


def _number(code: Any) -> int:
    """An operator's, which files of older writers have in another place."""
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))
