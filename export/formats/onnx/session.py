"""Making a session of ONNX Runtime on the CPU, and what it raises."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import onnxruntime

from cloformer.errors import CloformerError, InputError
from cloformer.io.read import read_bytes
from cloformer.io.words import is_text

from .file import MAX_BYTES

__all__ = ["make_session", "runtime_errors", "session_options"]


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


@contextlib.contextmanager
def runtime_errors(problem: str, advice: str) -> Iterator[None]:
    """Make whatever the runtime raises in this block an :class:`InputError`: the problem with the first line of the
    runtime's reason, then the advice. What this package raises on purpose passes through."""
    try:
        yield
    except CloformerError:
        raise
    except Exception as error:  # the binding raises a class of its own for each of the runtime's states
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{problem}: {reason}", advice) from error
