"""What an ONNX operator can have in float16, by ONNX's own table of types and by what ONNX Runtime has kernels for."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import NodeProto

__all__ = ["takes_half"]

_HALF = "tensor(float16)"
_LAST_POOL = 18
_SCATTERS = ("ScatterElements", "ScatterND")


def takes_half(node: NodeProto, opset: int) -> tuple[list[bool], list[bool]]:
    """Of each operand and of each result, whether it can be float16. Of operators that ONNX does not have, all can."""
    if not onnx.defs.has(node.op_type, opset, node.domain):
        return [True] * len(node.input), [True] * len(node.output)
    if not _has_kernel(node, opset):
        return [False] * len(node.input), [False] * len(node.output)
    schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    return _of_each(node.input, schema.inputs), _of_each(node.output, schema.outputs)


def _has_kernel(node: NodeProto, opset: int) -> bool:
    """ONNX Runtime's kernel for arm64 of average pooling in float16 is of opset 18: of a newer one it loads no file. It scatters
    float16, and adds nothing up while it does, nor multiplies or compares."""
    if node.op_type == "AveragePool":
        return opset <= _LAST_POOL
    if node.op_type in _SCATTERS:
        return all(item.name != "reduction" or item.s in (b"", b"none") for item in node.attribute)
    return True


def _of_each(names: Sequence[str], parameters: Sequence[onnx.defs.OpSchema.FormalParameter]) -> list[bool]:
    """The last parameter may stand for several. What is given to an operator that takes nothing is no operand."""
    if not parameters:
        return [True] * len(names)
    return [_HALF in parameters[min(place, len(parameters) - 1)].types for place, _ in enumerate(names)]
