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

__all__ = ["translations", "with_products"]

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


def with_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose constants are not dequantized but cast and multiplied.

    ONNX Runtime computes a product of constants once, when it loads the file. What ``DequantizeLinear`` gives it computes at
    every inference, and a matrix product that reads one it replaces by another that rounds what it is given to 8 bits as well
    (``MatMulNBits``), which costs more than the weights do.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    constants = {item.name: item for item in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            nodes.append(node)
            continue
        data, output = constants[node.input[0]], node.output[0]
        axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
        values = numpy_helper.to_array(constants[node.input[1]])
        shape = np.ones(len(data.dims), int)
        shape[axis] = values.size
        scales = numpy_helper.from_array(values.reshape(shape), f"{output}_scales")
        graph.initializer.append(scales)
        numbers = f"{output}_numbers"
        nodes.append(
            helper.make_node("Cast", [data.name], [numbers], name=f"{node.name}_cast", to=TensorProto.FLOAT)
        )
        nodes.append(helper.make_node("Mul", [numbers, scales.name], [output], name=node.name))
    read = {name for node in nodes for name in node.input} | {item.name for item in graph.output}
    kept = [item for item in graph.initializer if item.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    return made
