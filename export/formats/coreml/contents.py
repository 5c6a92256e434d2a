"""What is inside an ML Program."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch

from ..contents import Contents
from .mil import read_package
from .mil.program import CONSTEXPR, Constant, Function, Operation

__all__ = ["read_contents"]


def read_contents(path: Path) -> Contents:
    """Of the package's default function, without what float16 has no number for: coremltools keeps it in float32, and that says
    nothing of the rest. Raises as :func:`.mil.read_package` does."""
    package = read_package(path)
    function = package.program.functions[package.default_function]
    beyond = {
        output.name
        for operation in function.operations
        if operation.kind == "const" and _reads_beyond_half(operation)
        for output in operation.outputs
    }
    results = {
        output.name: output.type.dtype
        for operation in function.operations
        if operation.kind not in ("const", "cast") and not operation.kind.startswith(CONSTEXPR)
        if beyond.isdisjoint(operation.reads()) and not _reads_beyond_half(operation)
        for output in operation.outputs
        if output.type.dtype.startswith("float")
    }
    weights: Counter[str] = Counter()
    given = set(function.outputs)  # a constant that is an output has the output's type
    counted = [
        item
        for operation in function.operations
        if operation.kind != "const" or given.isdisjoint(output.name for output in operation.outputs)
        for item in _read_by(operation)
    ]
    for constant in counted:
        value = constant.value
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not _is_beyond_half(value):
            weights[constant.type.dtype] += value.numel()
    return Contents(results, dict(weights), _labels(function), _read_by_each(function))


def _read_by_each(function: Function) -> dict[str, dict[str, int]]:
    """By the value that the first reader computes; what is read by its name is written in an operation of its own."""
    named = {
        output.name: _read_by(operation)
        for operation in function.operations
        if operation.kind == "const"
        for output in operation.outputs
    }
    found: dict[str, dict[str, int]] = {}
    for operation in function.operations:
        if operation.kind == "const" or not operation.outputs:
            continue
        constants = _read_by(operation) + [item for name in operation.reads() for item in named.pop(name, ())]
        counts: Counter[str] = Counter()
        for constant in constants:
            value = constant.value
            if isinstance(value, torch.Tensor) and value.is_floating_point() and not _is_beyond_half(value):
                counts[constant.type.dtype] += value.numel()
        found[operation.outputs[0].name] = dict(counts)
    return found


def _read_by(operation: Operation) -> list[Constant]:
    return [item for argument in operation.inputs.values() for item in argument if isinstance(item, Constant)]


def _reads_beyond_half(operation: Operation) -> bool:
    return any(_is_beyond_half(constant.value) for constant in _read_by(operation))


def _is_beyond_half(value: object) -> bool:
    """Whether a number among them is."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return False
    return bool((value.isfinite() & (value.abs() > torch.finfo(torch.float16).max)).any())


def _labels(function: Function) -> tuple[str, ...] | None:
    for operation in function.operations:
        if operation.kind == "classify":
            (names,) = operation.inputs.get("classes", ("",))
            if isinstance(names, Constant) and isinstance(names.value, list):
                return tuple(names.value)
    return None
