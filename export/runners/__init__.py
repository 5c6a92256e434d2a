"""The runners: a row each. A runtime is imported by its own file alone, when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from ..artifact import Artifact
from ..errors import MissingRuntimeError
from ._runner import Array, Runner

__all__ = ["RUNNERS", "Array", "Runner", "open_artifact"]

# By the artifact's format: the module, its class, the package that brings the runtime.
RUNNERS: dict[str, tuple[str, str, str]] = {
    "onnx": ("onnxruntime", "OnnxRuntimeRunner", "onnxruntime"),
    "coreml": ("coreml", "CoreMLRunner", "coremltools"),
}


def open_artifact(artifact: Artifact, *, threads: int = 0) -> Runner:
    """The runner for an artifact, not yet entered; :class:`MissingRuntimeError` if it cannot run here."""
    module, name, package = RUNNERS[artifact.format]
    try:
        kind: Callable[..., Any] = getattr(importlib.import_module(f".{module}", __package__), name)
    except ImportError as error:
        raise MissingRuntimeError(f"{package} is not installed: {error}", f"pip install {package}") from error
    runner: Runner = kind(artifact, threads=threads)
    return runner
