"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import onnxruntime

from ..artifact import Artifact
from ..errors import InputError, choose
from ..signature import Signature
from ._runner import Array

__all__ = ["OPTIMIZATIONS", "OnnxRuntimeRunner"]

_Level = onnxruntime.GraphOptimizationLevel
OPTIMIZATIONS = {
    "off": _Level.ORT_DISABLE_ALL,
    "basic": _Level.ORT_ENABLE_BASIC,
    "extended": _Level.ORT_ENABLE_EXTENDED,
    "all": _Level.ORT_ENABLE_ALL,
}


class OnnxRuntimeRunner:
    """Runs an ONNX artifact; ``threads=0`` lets the runtime choose, ``optimization`` is a level of
    ``OPTIMIZATIONS``."""

    def __init__(self, artifact: Artifact, *, threads: int = 0, optimization: str = "all") -> None:
        choose("optimization level", optimization, OPTIMIZATIONS, "--optimization")
        self.signature: Signature = artifact.signature
        self._path: Path = artifact.model_path
        self._threads, self._optimization = threads, optimization
        self._session: onnxruntime.InferenceSession | None = None
        self._exposed: onnxruntime.InferenceSession | None = None

    def __enter__(self) -> OnnxRuntimeRunner:
        _refuse_external_data(self._path)
        self._session = self._load(self._path)
        return self

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name, in the model's own types."""
        assert self._session is not None, "enter the runner first"
        return _run(self._session, [spec.name for spec in self.signature.outputs], inputs)

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value of the graph. Giving them all out keeps the runtime from fusing across them, so what
        :meth:`run` computes can differ."""
        if self._exposed is None:
            self._exposed = self._load(_exposing_everything(self._path))
        return _run(self._exposed, [output.name for output in self._exposed.get_outputs()], inputs)

    def _load(self, model: Path | bytes) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.graph_optimization_level = OPTIMIZATIONS[self._optimization]
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the binding raises classes of its own for each status
            raise InputError(f"ONNX Runtime does not load {self._path}: {error}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = self._exposed = None


def _run(
    session: onnxruntime.InferenceSession, names: list[str], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    try:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))
    except Exception as error:  # as above: a node that fails on its operands, an input that does not fit
        raise InputError(f"ONNX Runtime cannot run the model: {str(error).splitlines()[0][:200]}") from error


def _refuse_external_data(path: Path) -> None:
    """Weights in another file could be any file of this machine; an artifact's are inside."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, RecursionError) as error:
        raise InputError(f"{path} is not an ONNX model: {error}", "export it again") from None
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise InputError(
            f"{path} takes its weights from another file", "do not use this model; export it again"
        )


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor below a message: initializers, and those in attributes, subgraphs and functions."""
    import onnx

    waiting = [message]
    while waiting:
        current = waiting.pop()
        if isinstance(current, onnx.TensorProto):
            yield current
            continue
        for field, value in current.ListFields():
            if field.message_type is not None:
                waiting += value if field.is_repeated else [value]


def _exposing_everything(path: Path) -> bytes:
    """The same model with every value as an output; its weights must be inside, as an artifact's are."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    given = {output.name for output in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in given:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    exposed: bytes = model.SerializeToString()
    return exposed
