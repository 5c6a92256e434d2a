"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import onnxruntime

from ..artifact import Artifact
from ..errors import InputError
from ..signature import Signature
from ._runner import Array

__all__ = ["OnnxRuntimeRunner"]


class OnnxRuntimeRunner:
    """Runs an ONNX artifact; ``threads=0`` lets the runtime choose."""

    def __init__(self, artifact: Artifact, *, threads: int = 0) -> None:
        self.signature: Signature = artifact.signature
        self._path: Path = artifact.model_path
        self._threads = threads
        self._session: onnxruntime.InferenceSession | None = None

    def __enter__(self) -> OnnxRuntimeRunner:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                self._path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the binding raises classes of its own for each status
            raise InputError(f"ONNX Runtime does not load {self._path}: {error}") from error
        return self

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name, in the model's own types."""
        assert self._session is not None, "enter the runner first"
        names = [spec.name for spec in self.signature.outputs]
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = None
