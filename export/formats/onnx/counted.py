"""Instructions by operator, out of what ONNX Runtime's profiler recorded with a clock whose readings were marked.

The clock goes on by a microsecond with each reading, so that an event says between which two readings an operator ran; the
marks say how many instructions had been executed at each. In between lies the profiler's own account of the operator, which
is taken off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import onnx

from ..profiler import ExecutedOperator
from .file import read_onnx
from .fused import name_nodes, nested_names
from .profile_events import Span, TimedOperator, not_understood, read_events
from .profiler import executed_operators

__all__ = ["counted_operators", "named_model"]

_NESTED = "an operator with a graph of its own counts with the profiler's account of each operator in it"


def named_model(path: Path) -> onnx.ModelProto:
    """The file with a name for every operator, by which the profiler's events are known."""
    file = read_onnx(path)
    name_nodes(file)
    return file


def counted_operators(
    file: onnx.ModelProto,
    optimized: bytes,
    events: bytes,
    readings: Sequence[int],
    account: Callable[[TimedOperator], int],
) -> tuple[list[ExecutedOperator], list[str]]:
    """Every operator of the second inference, with its instructions less the profiler's own ``account`` of it; and what they
    leave out.

    ``file`` is what the runtime was given, from :func:`named_model`, ``optimized`` what it made of it; ``readings`` are
    instructions since that inference began, at each reading of the clock in it, whose last ends the profiler's event of the whole. Raises :class:`UnsupportedError` if the events are not of these readings.
    """
    run = onnx.load_from_string(optimized)
    nested = nested_names(run)
    timed, whole = read_events(events, nested, runs=1, warm_up=1)
    if len(whole) != 1:
        raise not_understood("it has no event of the second inference")
    first = whole[0].end + 1 - len(readings)  # the clock at the first of them
    if not first <= whole[0].begun:
        raise not_understood("the inference began before the clock was read")

    def taken(span: Span) -> int:
        if not first <= span.begun <= span.end <= whole[0].end:
            raise not_understood("an operator ran outside the inference")
        return readings[span.end - first] - readings[span.begun - first]

    instructions = {name: (max(taken(item.spans[0]) - account(item), 0),) for name, item in timed.items()}
    return executed_operators(file, run, timed, instructions), [_NESTED] if nested else []
