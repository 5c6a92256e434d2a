"""Refusing a LiteRT model that would compute without end, before the runtime is given it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..work_limit import OF_AN_ELEMENT, WorkMeter
from .file import Operator, operators, shape_of

__all__ = ["multiply_adds", "refuse_endless"]


def refuse_endless(model: Any, path: Path, most: int | None) -> None:
    """:class:`InputError` if an inference of ``model`` takes more than ``most`` multiply-adds; None: nothing does."""
    if most is None:
        return
    meter = WorkMeter(str(path), most)
    shapes = [shape_of(tensor) for tensor in model.subgraphs[0].tensors]
    for item in operators(model):
        made = sum(math.prod(shapes[place]) for place in item.outputs if place >= 0)
        meter.add(multiply_adds(item, shapes) + OF_AN_ELEMENT * made)


def multiply_adds(operator: Operator, shapes: list[tuple[int, ...]]) -> int:
    """Of layers and products; of what else reads more than it gives, the elements that it reads."""
    inputs = [shapes[place] for place in operator.inputs if place >= 0]
    made = math.prod(shapes[operator.outputs[0]]) if operator.outputs else 0
    read = max((math.prod(shape) for shape in inputs), default=0)
    if len(inputs) < 2 or not inputs[1]:
        return read
    if operator.kind == "DEPTHWISE_CONV_2D":
        return made * math.prod(inputs[1][1:3])
    if operator.kind in ("CONV_2D", "CONV_3D", "FULLY_CONNECTED"):
        return made * math.prod(inputs[1][1:])
    if operator.kind == "BATCH_MATMUL":
        return made * inputs[0][-1] if inputs[0] else made
    if operator.kind == "TRANSPOSE_CONV":
        return read * math.prod(inputs[1][1:])
    return read
