"""The process that a candidate is timed in, and nothing else: it takes orders by :mod:`.messages`.

Only the runtime's call is timed, on inputs that were made before. Garbage is collected between runs, never
within one.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from cloformer.errors import CloformerError

from ..artifact.folder import Artifact, read_artifact
from .candidates import CANDIDATES
from .messages import Task, decode, encode, read_count, read_seconds
from .perf_event import InstructionCounter, count
from .subject import Subject, classes_images, fed_from, open_subject, top_class

__all__ = ["main"]

_STATUS = Path("/proc/self/status")
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Answer orders on standard input until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when it is over
    _end_with_the_parent()
    # What a runtime prints goes to standard error: the pipe is for answers.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Answer each line of ``orders``; an error is an answer too, and so is the last one."""
    worker = _Worker()
    for line in orders:
        try:
            answer = worker.answer(decode(line))
        except CloformerError as error:
            answer = {"error": error.lines}
        except Exception as error:  # whatever a runtime or a user's module raises
            said = (str(error).splitlines() or [""])[0]
            answer = {"error": [f"{type(error).__name__}: {said}"]}
        answers.write(encode(answer))
        answers.flush()


class _Worker:
    """One candidate, from its task on."""

    def __init__(self) -> None:
        self._task: Task
        self._artifact: Artifact
        self._subject: Subject
        self._counter: InstructionCounter
        self._calls: list[Callable[[], object]] = []
        self._next = 0

    def answer(self, order: dict[str, object]) -> dict[str, object]:
        match order.pop("do"):
            case "load":
                return self._load(Task.from_json(order))
            case "first":
                return self._run(1)
            case "warm_up":
                return self._warm_up(read_count(order, "queries"), read_seconds(order, "seconds"))
            case "run":
                return self._run(read_count(order, "queries"))
            case "photograph":
                return self._photograph(read_count(order, "queries"))
            case "memory":
                return {"peak_bytes": peak_bytes()}
            case "executed":
                return self._executed()
            case "watch":
                self._counter = InstructionCounter()
                return {}
            case "count":
                return self._count(read_count(order, "queries"))
            case "fork":
                return self._fork(read_count(order, "queries"))
            case other:
                raise ValueError(f"no such order: {other}")

    def _load(self, task: Task) -> dict[str, object]:
        from ..reference.cases import noise_case

        if task.pinned_to is not None and sys.platform == "linux":
            os.sched_setaffinity(0, task.pinned_to)
        folder = Path(task.folder)
        self._task = task
        self._artifact = read_artifact(folder, verify=False)  # the parent has checked every file's hash
        subject = open_subject(self._artifact, task.runner, task.threads, task.model, task.weights_path)
        if task.check:
            subject.check()
        if task.forget:
            _forget([path for path in folder.rglob("*") if path.is_file()])
        before = resident_bytes()
        started = time.perf_counter_ns()
        subject.load()
        load_ns = time.perf_counter_ns() - started
        self._subject = subject
        self._calls = [
            subject.prepare(noise_case(subject.inputs, task.seed + index).for_candidate(subject.inputs))
            for index in range(task.inputs)
        ]
        return {"load_ns": load_ns, "before_bytes": before}

    def _warm_up(self, queries: int, seconds: float) -> dict[str, object]:
        started, done = time.perf_counter(), 0
        while done < queries or time.perf_counter() - started < seconds:
            self._calls[done % len(self._calls)]()
            done += 1
        return {"queries": done}

    def _run(self, queries: int) -> dict[str, object]:
        calls = [self._calls[(self._next + index) % len(self._calls)] for index in range(queries)]
        self._next += queries
        wall_ns, cpu_ns = [0] * queries, [0] * queries
        now, worked = time.perf_counter_ns, time.process_time_ns
        gc.collect()
        gc.disable()
        try:
            for index, call in enumerate(calls):
                worked_before = worked()
                started = now()
                call()
                wall_ns[index] = now() - started
                cpu_ns[index] = worked() - worked_before
        finally:
            gc.enable()
        return {"wall_ns": wall_ns, "cpu_ns": cpu_ns}

    def _photograph(self, queries: int) -> dict[str, object]:
        from ..reference.cases import PHOTOGRAPH

        subject, preprocessing_ns, end_to_end_ns = self._subject, [], []
        classifier = self._artifact.function.classifier
        name = (self._artifact.signature.outputs[0] if classifier is None else classifier.scores.spec).name
        for _ in range(queries if subject.inputs.are_all_images else 0):
            started = time.perf_counter_ns()
            fed = fed_from(PHOTOGRAPH, subject.inputs)
            preprocessing_ns.append(time.perf_counter_ns() - started)
            outputs = subject.prepare(fed)()
            if classes_images(self._artifact):
                top_class(outputs, name)
            end_to_end_ns.append(time.perf_counter_ns() - started)
        return {"preprocessing_ns": preprocessing_ns, "end_to_end_ns": end_to_end_ns}

    def _executed(self) -> dict[str, object]:
        from .operator_times import multiply_adds_executed

        layout = CANDIDATES[self._task.runner].options.get("optimization", "all") == "all"
        operators, total, uncounted = multiply_adds_executed(self._artifact, self._task.threads, layout)
        return {"operators": operators, "multiply_adds": total, "uncounted": uncounted}

    def _count(self, queries: int) -> dict[str, object]:
        calls = [self._calls[index % len(self._calls)] for index in range(queries)]

        def run() -> None:
            for call in calls:
                call()

        gc.collect()
        gc.disable()
        try:
            return {"instructions": count(self._counter, run)}
        finally:
            gc.enable()

    def _fork(self, queries: int) -> dict[str, object]:
        number = os.fork()
        if number == 0:
            _end_with_the_parent()
            gc.disable()
            with contextlib.suppress(BaseException):  # nothing may go on here as if it were the worker
                for index in range(queries):
                    self._calls[index % len(self._calls)]()
                os._exit(0)
            os._exit(1)
        _, status = os.waitpid(number, 0)
        if status != 0:
            raise ChildProcessError("the process that was to run the queries failed")
        return {"process": number}


def peak_bytes() -> int:
    """The most memory that this process has held resident."""
    # Where it is there, the system's own note: getrusage's also counts what the parent held while it forked.
    noted = _status("VmHWM")
    return noted if noted is not None else _used()


def resident_bytes() -> int:
    """The memory that is resident now; where the system does not say, the most until now."""
    noted = _status("VmRSS")
    return noted if noted is not None else _used()


def _used() -> int:
    import resource

    kilobytes_or_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes_or_bytes * (1 if sys.platform == "darwin" else 1024)


def _status(field: str) -> int | None:
    """A field of /proc/self/status in bytes; None elsewhere."""
    try:
        lines = _STATUS.read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def _forget(paths: Sequence[Path]) -> None:
    """Ask the system to drop files from its cache; what is not on the disk yet has to be first."""
    if sys.platform != "linux":
        return
    for path in paths:
        with path.open("rb") as file:
            with contextlib.suppress(OSError):
                os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _end_with_the_parent() -> None:
    """Also when the parent is killed while a runtime hangs here; elsewhere the closed pipe ends the loop."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
