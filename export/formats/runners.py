"""The runners: a row each. A runtime is imported by its own file alone, when it is used."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloformer.errors import MissingRuntimeError, UsageError, choose

from ..artifact.folder import Artifact
from .runner import Array, Runner, TimedRunner

__all__ = ["RUNNERS", "Array", "Runner", "RunnerRow", "TimedRunner", "default_runner", "open_artifact"]


@dataclass(frozen=True)
class RunnerRow:
    """``format`` is what it runs, ``package`` brings the runtime, ``system`` is the only one it exists on.

    ``format`` is None for what runs the graph before it is written: it is made from the model, given as
    ``program``. ``is_device_runtime`` is False for what only computes what the format's specification says.
    """

    title: str
    format: str | None
    module: str
    class_name: str
    package: str
    system: str | None = None
    is_device_runtime: bool = True


# In order of preference for each format.
RUNNERS: dict[str, RunnerRow] = {
    "onnxruntime": RunnerRow("ONNX Runtime", "onnx", "onnxruntime", "OnnxRuntimeRunner", "onnxruntime"),
    "coreml": RunnerRow("Core ML", "coreml", "coreml", "CoreMLRunner", "coremltools", system="darwin"),
    "mil": RunnerRow(
        "ML Program reference runtime", "coreml", "reference_mil", "ReferenceMilRunner", "coremltools",
        is_device_runtime=False,
    ),
    "pytorch": RunnerRow("PyTorch, the re-parameterized graph", None, "pytorch", "GraphRunner", "torch"),
}  # fmt: skip


def default_runner(artifact: Artifact) -> str:
    """The name of the first runner for the artifact's format that exists on this system."""
    return next(
        name
        for name, row in RUNNERS.items()
        if row.format == artifact.format and row.system in (None, sys.platform)
    )


def open_artifact(artifact: Artifact, name: str | None = None, **options: Any) -> Runner:
    """The runner for an artifact, not yet entered: the one called ``name``, or the first that exists here.

    ``options`` are the runner's own. Raises :class:`UsageError` for a name that does not run this format,
    :class:`MissingRuntimeError` if it cannot run here.
    """
    row = RUNNERS[choose("runner", name or default_runner(artifact), RUNNERS)]
    if row.format not in (None, artifact.format):
        able = [key for key, other in RUNNERS.items() if other.format in (None, artifact.format)]
        raise UsageError(f"{row.title} does not run {artifact.format}", f"--runner takes: {', '.join(able)}")
    if row.system not in (None, sys.platform):
        raise MissingRuntimeError(
            f"{row.title} exists on macOS only, and this is not one",
            "leave --runner out: the reference runtime runs ML Programs on any system",
        )
    try:
        module = importlib.import_module(f".{row.module}", __package__)
    except ImportError as error:
        raise MissingRuntimeError(
            f"{row.package} is not installed: {error}", f"pip install {row.package}"
        ) from error
    kind: Callable[..., Runner] = getattr(module, row.class_name)
    unknown = options.keys() - inspect.signature(kind).parameters.keys()
    if unknown:
        raise UsageError(f"{row.title} has no --{sorted(unknown)[0]}", f"leave it out for {artifact.format}")
    return kind(artifact, **options)
