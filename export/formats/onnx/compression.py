"""What is stored or computed in whole numbers: weights that are cast and multiplied by their scales when the file is loaded, and
the numbers that layers in 8 bits read and give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxscript
from onnx import TensorProto, helper, numpy_helper

from ...passes.stored import dequantize, quantize

__all__ = ["leave_out_defaults", "of_whole_numbers", "translations"]

op: Any = onnxscript.opset20  # its operators used here are the same in every opset that is written


def translations() -> dict[Callable[..., object], Callable[..., object]]:
    """What torch.onnx is to write for operators of ours."""
    return {dequantize: _dequantized, quantize: _quantized}


def _dequantized(data: Any, scales: Any, zero_point: int = 0) -> Any:
    """With one scale for each index of an axis, or one for all."""
    axes = [axis for axis, size in enumerate(scales.shape) if size != 1]
    if not axes and not len(scales.shape):
        return op.DequantizeLinear(data, scales, _zero_point(zero_point))
    scale = op.Reshape(scales, op.Constant(value_ints=[-1] if axes else []))
    return op.DequantizeLinear(data, scale, axis=axes[0] if axes else 0)


def _quantized(value: Any, scale: Any, zero_point: int) -> Any:
    return op.QuantizeLinear(value, scale, _zero_point(zero_point))


def _zero_point(value: int) -> Any:
    return op.Constant(value=numpy_helper.from_array(np.array(value, np.int8)))


def leave_out_defaults(model: onnx.ModelProto) -> None:
    """Of what quantizes, all attributes but the axis: torch.onnx writes those of the newest opset with their defaults, which
    older ones do not know, and a type of the result that ONNX Runtime, which makes values unsigned on x86, forgets to change."""
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            kept = [item for item in node.attribute if item.name == "axis"]
            del node.attribute[:]
            node.attribute.extend(kept)


def of_whole_numbers(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which layers that read whole numbers read their weights as the runtime has kernels for, and all other constants
    are not dequantized but cast and multiplied.

    ONNX Runtime computes a product of constants once, when it loads the file. What ``DequantizeLinear`` gives it computes at
    every inference, and a matrix product that reads one it replaces by another that rounds what it is given to 8 bits as well
    (``MatMulNBits``), which costs more than the weights do. Of a product of whole numbers it wants the weight as it is
    multiplied, with the outputs along the last axis. And of a layer in float that reads what ``DequantizeLinear`` gives and gives what
    ``QuantizeLinear`` reads it makes one on whole numbers, with weights that it rounds by itself: such a layer reads a product.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = _Graph(made)
    for node in list(made.graph.node):
        graph.turn_weight(node)
    for node in list(made.graph.node):
        graph.write_as_product(node)
    for node in list(made.graph.node):
        graph.read_as_product(node)
    graph.leave_out_unread()
    return made


_ON_WHOLE_NUMBERS = ("Conv", "Gemm", "MatMul")  # of which the runtime has kernels


class _Graph:
    """A model's nodes under change."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {item.name: item for item in self.graph.initializer}
        self.makers = {name: node for node in self.graph.node for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def turn_weight(self, node: onnx.NodeProto) -> None:
        """The second operand of a product whose first is of whole numbers, stored transposed where it is transposed."""
        if node.op_type not in ("Gemm", "MatMul") or not self._is_computed(self.makers.get(node.input[0])):
            return
        weight = self.makers.get(node.input[1])
        turned = next((item for item in node.attribute if item.name == "transB" and item.i), None)
        if node.op_type == "MatMul" and weight is not None and weight.op_type == "Transpose":
            weight = self.makers.get(weight.input[0])
        elif turned is None:
            return
        if weight is None or weight.op_type != "DequantizeLinear" or self._is_computed(weight):
            return
        numbers = numpy_helper.to_array(self.constants[weight.input[0]])
        if numbers.ndim != 2:
            return
        data = numpy_helper.from_array(np.ascontiguousarray(numbers.T), f"{node.name}_weight")
        self.graph.initializer.append(data)
        self.constants[data.name] = data
        name = f"{node.name}_turned"
        made = helper.make_node("DequantizeLinear", [data.name, *weight.input[1:]], [name], name=name, axis=1)
        self.graph.node.insert(list(self.graph.node).index(node), made)
        self.readers[name] = [node]
        node.input[1] = name
        if turned is not None:
            turned.i = 0

    def write_as_product(self, node: onnx.NodeProto) -> None:
        """A constant that no layer reads beside whole numbers."""
        if node.op_type != "DequantizeLinear" or self._is_computed(node):
            return
        readers = self.readers.get(node.output[0], [])
        layers = [reader for reader in readers if reader.op_type in _ON_WHOLE_NUMBERS]
        if any(self._is_computed(self.makers.get(name)) for layer in layers for name in layer.input):
            return
        axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
        data, output = self.constants[node.input[0]], node.output[0]
        values = numpy_helper.to_array(self.constants[node.input[1]])
        shape = np.ones(len(data.dims), int)
        shape[axis] = values.size
        scales = numpy_helper.from_array(values.reshape(shape), f"{output}_scales")
        self.graph.initializer.append(scales)
        numbers = f"{output}_numbers"
        place = list(self.graph.node).index(node)
        cast = helper.make_node(
            "Cast", [data.name], [numbers], name=f"{node.name}_cast", to=TensorProto.FLOAT
        )
        node.CopyFrom(helper.make_node("Mul", [numbers, scales.name], [output], name=node.name))
        self.graph.node.insert(place, cast)

    def read_as_product(self, node: onnx.NodeProto) -> None:
        """What a layer in float reads of whole numbers, cast and multiplied."""
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm"):
            return
        source, weight = (self.makers.get(name) for name in node.input[:2])
        if source is None or not self._is_computed(source):
            return
        if weight is not None and weight.op_type == "DequantizeLinear" and node.op_type in _ON_WHOLE_NUMBERS:
            return
        data, scale, zero = source.input
        stem = f"{node.name}_read"
        wide = numpy_helper.from_array(
            numpy_helper.to_array(self.constants[zero]).astype(np.float32), f"{stem}_zero"
        )
        self.graph.initializer.append(wide)
        place = list(self.graph.node).index(node)
        made = [
            helper.make_node("Cast", [data], [f"{stem}_cast"], name=f"{stem}_cast", to=TensorProto.FLOAT),
            helper.make_node("Sub", [f"{stem}_cast", wide.name], [f"{stem}_steps"], name=f"{stem}_steps"),
            helper.make_node("Mul", [f"{stem}_steps", scale], [stem], name=stem),
        ]
        for each in reversed(made):
            self.graph.node.insert(place, each)
        node.input[0] = stem

    def leave_out_unread(self) -> None:
        """What nothing reads any more."""
        given = {item.name for item in self.graph.output}
        while True:
            read = {name for node in self.graph.node for name in node.input} | given
            kept = [node for node in self.graph.node if not read.isdisjoint(node.output)]
            if len(kept) == len(self.graph.node):
                break
            del self.graph.node[:]
            self.graph.node.extend(kept)
        constants = [item for item in self.graph.initializer if item.name in read]
        del self.graph.initializer[:]
        self.graph.initializer.extend(constants)

    def _is_computed(self, node: onnx.NodeProto | None) -> bool:
        """Whether it makes numbers of whole ones that are no constants."""
        return node is not None and node.op_type == "DequantizeLinear" and node.input[0] not in self.constants
