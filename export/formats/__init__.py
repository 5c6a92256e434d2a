"""The formats: a row each. A format's framework is imported by its own file alone, when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from .exporter import (
    Description,
    Exporter,
    GraphFigures,
    Lowered,
    Unsupported,
    ValueOrigin,
    Written,
    refuse_unsupported,
)
from .profiler import Profiler

__all__ = [
    "FORMATS",
    "OPSETS",
    "TARGETS",
    "Description",
    "Exporter",
    "Format",
    "GraphFigures",
    "Lowered",
    "Unsupported",
    "ValueOrigin",
    "Written",
    "refuse_unsupported",
]

# Deployment targets by their names on the command line: coremltools' name of each.
TARGETS: dict[str, str] = {"ios16": "iOS16", "ios17": "iOS17", "ios18": "iOS18", "ios26": "iOS26"}

# What torch.onnx's dynamo exporter writes.
OPSETS: dict[str, str] = {str(version): str(version) for version in range(18, 24)}


@dataclass(frozen=True)
class Format:
    """A row of FORMATS: ``option`` is the flag of its version of the format (an opset, a target)."""

    name: str
    title: str
    module: str
    precisions: tuple[str, ...]
    default_precision: str
    option: str
    options: Mapping[str, str] = field(default_factory=dict)
    default_option: str = ""
    profiler_module: str = ""

    def exporter(self) -> Exporter:
        """The module that writes it; imports the format's framework."""
        return cast(Exporter, importlib.import_module(f".{self.module}", __package__))

    def profiler(self) -> Profiler | None:
        """The module that times operators by the format's runtime; None if no profiler of it can be read."""
        if not self.profiler_module:
            return None
        return cast(Profiler, importlib.import_module(f".{self.profiler_module}", __package__))


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("onnx", "ONNX", "onnx", ("fp32",), "fp32", "--opset", OPSETS, "20", "onnx.profiler"),
        Format("coreml", "Core ML", "coreml", ("fp16", "fp32"), "fp16", "--target", TARGETS, "ios16"),
    )
}
