"""The formats: a folder and a row each, which own all that is the format's."""

from __future__ import annotations

from .coreml import COREML
from .executorch import EXECUTORCH
from .litert import LITERT
from .onnx import ONNX
from .row import Format

__all__ = ["FORMATS"]

FORMATS: dict[str, Format] = {row.name: row for row in (ONNX, COREML, LITERT, EXECUTORCH)}
