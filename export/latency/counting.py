"""What an inference takes, counted instead of timed: the same on a busy machine, so that CI can hold a limit.

Operators and their multiply-adds come from ONNX Runtime's profiler. Instructions come from the processor's own
counter, or from Valgrind. A count is another by another counter, on another processor (the runtime picks its
kernels by what that can do; Valgrind emulates one), and of another version of the runtime.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cloformer.errors import MissingRuntimeError, UnsupportedError, choose
from cloformer.io.progress import Progress
from cloformer.io.words import count

from . import perf_event, valgrind
from .candidates import Candidate
from .messages import Task
from .parent import Executed, WorkerError, worker
from .protocol import AUTO, COUNTERS, Counting, Protocol

__all__ = ["Counts", "count_inference", "plan_counting"]

_INSTALL = "apt-get install valgrind"
_WARM_UP, _QUERIES = 3, 10  # by the processor's counter, whose counts of a query differ by a few instructions


@dataclass(frozen=True)
class Counts:
    """Of one inference; None for what could not be counted, and ``notes`` say why. ``exceeded`` are the limits that
    were not kept, a line each: a count that there is none of keeps none."""

    operators: int | None
    multiply_adds: int | None
    instructions: int | None
    counted_by: str | None
    notes: tuple[str, ...]
    exceeded: tuple[str, ...]


def plan_counting(candidates: Sequence[Candidate], asked: Counting, counter: str = AUTO) -> Counting:
    """``asked`` with the counter that will be used, if there is one.

    Before any time is spent, raises :class:`MissingRuntimeError` if instructions have a limit, or ``counter`` was
    named, and there is none here; :class:`UnsupportedError` for a limit on what is not counted for a candidate.
    """
    choose("counter", counter, (AUTO, *COUNTERS))
    if asked.max_operators is not None or asked.max_multiply_adds is not None:
        for candidate in candidates:
            if not _has_profiler(candidate):
                raise UnsupportedError(
                    f"operators and multiply-adds are counted for ONNX Runtime alone, not for {candidate.row.title}",
                    "leave --max-operators and --max-multiply-adds out, or that --runner",
                )
    needed = asked.max_instructions is not None or counter != AUTO
    found = _find(asked, COUNTERS if counter == AUTO else (counter,))
    if needed and found.counter is None:
        if sys.platform != "linux":
            raise UnsupportedError(
                "instructions are counted on Linux alone", "leave --max-instructions and --counter out"
            )
        raise MissingRuntimeError(f"instructions cannot be counted: {found.why}", _what_to_do(counter))
    if asked.max_instructions is not None and found.counter == "valgrind":
        for candidate in candidates:
            if why := _is_not_for_valgrind(candidate):
                raise UnsupportedError(
                    f"instructions cannot be counted: {why}",
                    "leave --max-instructions out, or give --threads 1",
                )
    return found


def _find(asked: Counting, counters: Sequence[str]) -> Counting:
    reasons = []
    for name in counters:
        if name == "perf_event":
            why = perf_event.explain_absence()
            if why is None:
                return replace(asked, counter=name)
            reasons.append(why)
        else:
            found = valgrind.find()
            if found is not None:
                return replace(asked, counter=name, counter_version=found.version)
            reasons.append("valgrind is not installed")
    return replace(asked, why="; ".join(reasons))


def _what_to_do(counter: str) -> str:
    return (
        "run where the processor counts, or give --counter valgrind" if counter == "perf_event" else _INSTALL
    )


def count_inference(candidate: Candidate, protocol: Protocol, progress: Progress) -> Counts:
    """Count, in processes that nothing is timed in. Raises :class:`WorkerError` if the model does not even load."""
    asked = protocol.counting
    assert asked is not None
    deadline = time.monotonic() + protocol.time_limit
    notes = []
    progress("counting operators")
    try:
        executed = _executed(candidate, protocol, deadline)
    except _NotCountedError as error:
        executed = None
        notes.append(f"operators could not be counted: {error}")
    if executed is not None and executed.uncounted:
        notes.append(f"multiply-adds are not known of {', '.join(executed.uncounted)}")
    instructions = None
    try:
        instructions = _instructions(candidate, protocol, deadline, progress)
        if candidate.threads > 1:
            notes.append("of the threads, what they do while they wait for one another is counted too")
    except (WorkerError, _NotCountedError) as error:
        notes.append(f"instructions could not be counted: {error}")
    found = Counts(
        operators=None if executed is None else executed.operators,
        multiply_adds=None if executed is None else executed.multiply_adds,
        instructions=instructions,
        counted_by=None if instructions is None else asked.counter,
        notes=tuple(notes),
        exceeded=(),
    )
    return replace(found, exceeded=_exceeded(asked, found))


class _NotCountedError(Exception):
    """Why there is no count, in a line."""


def _executed(candidate: Candidate, protocol: Protocol, deadline: float) -> Executed:
    """The first process of a row, where nothing was timed before: it looks at the model."""
    with worker(candidate.threads, deadline) as running:
        running.load(candidate.task(protocol, check=True))
        if not _has_profiler(candidate):
            raise _NotCountedError("only ONNX Runtime has a profiler that can be read")
        try:
            return running.executed()
        except WorkerError as error:
            raise _NotCountedError(str(error)) from None


def _instructions(candidate: Candidate, protocol: Protocol, deadline: float, progress: Progress) -> int:
    asked, task = protocol.counting, _one_input(candidate, protocol)
    assert asked is not None
    if asked.counter == "perf_event":
        progress("counting instructions")
        with worker(candidate.threads, deadline) as running:
            running.watch()
            running.load(task)
            running.warm_up(_WARM_UP, 0.0)
            return round(running.count(_QUERIES) / _QUERIES)
    found = valgrind.find() if asked.counter == "valgrind" else None
    if found is None:
        raise _NotCountedError(f"{asked.why or 'valgrind is gone'}; {_INSTALL}")
    if why := _is_not_for_valgrind(candidate):
        raise _NotCountedError(why)
    progress("counting instructions under Valgrind, which emulates the processor: minutes for a large model")
    return found.count(task, deadline)


def _one_input(candidate: Candidate, protocol: Protocol) -> Task:
    """The same input in every query, whose counts are then the same."""
    return replace(candidate.task(protocol), inputs=1)


def _exceeded(asked: Counting, found: Counts) -> tuple[str, ...]:
    """The limits that were not kept."""
    lines = []
    for word, counted, limit in (
        ("operator", found.operators, asked.max_operators),
        ("multiply-add", found.multiply_adds, asked.max_multiply_adds),
        ("instruction", found.instructions, asked.max_instructions),
    ):
        if limit is not None and counted is None:
            lines.append(f"{word}s could not be counted, and the most allowed is {limit:,}")
        elif limit is not None and counted is not None and counted > limit:
            lines.append(
                f"{count(counted, word)}, and the most allowed is {limit:,} ({counted / limit - 1:+.2%})"
            )
    return tuple(lines)


def _has_profiler(candidate: Candidate) -> bool:
    return candidate.row.runner == "onnxruntime"


def _is_not_for_valgrind(candidate: Candidate) -> str | None:
    """Threads that wait for others spin, for as long as the others take: under Valgrind, one at a time."""
    if candidate.threads != 1 or not candidate.row.obeys_threads:
        return "Valgrind counts the work of one thread, and what more threads do while they wait is no work"
    return None
