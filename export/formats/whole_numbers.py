"""Whole numbers of 64 bits, for formats that have 32."""

from __future__ import annotations

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram

__all__ = ["end_with_32_bits"]

_LIMITS = torch.iinfo(torch.int32)


def end_with_32_bits(program: ExportedProgram) -> None:
    """Make every whole number beyond 32 bits the last one that they have, among constants and operators' arguments. The least and
    the largest stand for what is never chosen, and converters keep their lower bits: the least of 64 bits became zero, and
    the largest -1."""
    for held in (program.constants, program.state_dict):
        for name, value in held.items():
            if isinstance(value, Tensor) and value.dtype is torch.int64:
                held[name] = value.clamp(_LIMITS.min, _LIMITS.max)
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if schema is None or any(map(_has_floats, (node, *node.all_input_nodes))):
            continue
        numbers = {item.name for item in schema.arguments if str(item.type) in ("number", "Optional[number]")}
        names = [item.name for item in schema.arguments]
        node.args = tuple(
            _ended(value) if name in numbers else value for name, value in zip(names, node.args, strict=False)
        )
        node.kwargs = {
            name: _ended(value) if name in numbers else value for name, value in node.kwargs.items()
        }


def _has_floats(node: fx.Node) -> bool:
    value = node.meta.get("val")
    found = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(item, Tensor) and (item.is_floating_point() or item.is_complex()) for item in found)


def _ended(value: object) -> object:
    return max(_LIMITS.min, min(value, _LIMITS.max)) if type(value) is int else value
