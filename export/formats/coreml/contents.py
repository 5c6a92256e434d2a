"""What is inside an ML Program."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch

from ..contents import Contents
from .mil import read_package
from .mil.program import CONSTEXPR, Constant, Function

__all__ = ["read_contents"]


def read_contents(path: Path) -> Contents:
    """Of the package's default function. Raises as :func:`.mil.read_package` does."""
    package = read_package(path)
    function = package.program.functions[package.default_function]
    results = {
        output.name: output.type.dtype
        for operation in function.operations
        if operation.kind not in ("const", "cast") and not operation.kind.startswith(CONSTEXPR)
        for output in operation.outputs
        if output.type.dtype.startswith("float")
    }
    weights: Counter[str] = Counter()
    for constant in _constants(function):
        if isinstance(constant.value, torch.Tensor) and constant.type.dtype.startswith("float"):
            weights[constant.type.dtype] += constant.value.numel()
    return Contents(results, dict(weights), _labels(function))


def _constants(function: Function) -> list[Constant]:
    return [
        item
        for operation in function.operations
        for argument in operation.inputs.values()
        for item in argument
        if isinstance(item, Constant)
    ]


def _labels(function: Function) -> tuple[str, ...] | None:
    for operation in function.operations:
        if operation.kind == "classify":
            (names,) = operation.inputs.get("classes", ("",))
            if isinstance(names, Constant) and isinstance(names.value, list):
                return tuple(names.value)
    return None
