"""Making a session of ONNX Runtime on the CPU, and what it raises."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from cloformer.io.read import read_bytes
from cloformer.io.words import is_text

from .file import MAX_BYTES

__all__ = ["make_session", "session_options"]


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options of a session that logs errors alone; 0 threads: the runtime's own choice."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what fails is raised, and told without colours
    return options


def make_session(
    model: Path | bytes, options: onnxruntime.SessionOptions | None = None
) -> onnxruntime.InferenceSession:
    """A session of a file, or of a model's bytes. It raises what :func:`runtime_errors` is for."""
    if isinstance(model, Path) and not is_text(str(model)):  # a name that the binding does not take
        model = read_bytes(model, MAX_BYTES, "give the file another name")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
