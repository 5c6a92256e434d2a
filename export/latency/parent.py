"""The parent's side of a worker: starts it, asks, waits no longer than allowed, and leaves none behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from .messages import (
    MAX_LINE,
    BadMessageError,
    Task,
    decode,
    encode,
    read_count,
    read_lines,
    read_names,
    read_times,
)

__all__ = ["Executed", "Loaded", "Photographed", "Times", "Worker", "WorkerError", "command", "worker"]

# The worker finds what this process finds: an installed wheel, a checkout, a user's module beside it. Nothing
# may be imported before the path is this process's, or it could be a file of the current folder.
_START = "import sys; sys.path[:] = sys.argv[1:]; from cloformer.export.latency.worker import main; main()"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_CHUNK = 2**16


class WorkerError(Exception):
    """A candidate could not be measured: one line that says what happened, and while it did what."""


@dataclass(frozen=True)
class Loaded:
    """``before_bytes`` were resident before the model was loaded."""

    load_ns: int
    before_bytes: int


@dataclass(frozen=True)
class Times:
    """Of each query, in nanoseconds: what a clock on the wall says, and the processors' time."""

    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]


@dataclass(frozen=True)
class Photographed:
    """Nanoseconds from the file to the model's input, and from the file to the first class."""

    preprocessing_ns: tuple[int, ...]
    end_to_end_ns: tuple[int, ...]


@dataclass(frozen=True)
class Executed:
    """What the runtime executes for one inference, its optimizer done: operators, and their multiply-adds, None if
    those of operators of the types ``uncounted`` are not known."""

    operators: int
    multiply_adds: int | None
    uncounted: tuple[str, ...]


class Worker:
    """A process that is asked for one thing after another. Every method raises :class:`WorkerError` if the
    process ends, answers nonsense or an error, or has not answered at ``deadline`` (of ``time.monotonic``),
    which can be put off."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes], deadline: float) -> None:
        self._process, self._errors, self.deadline = process, errors, deadline
        self._read = b""
        self._started = time.monotonic()

    def load(self, task: Task) -> Loaded:
        """Load the candidate: once, and before anything else."""
        answer = self._ask("loading", {"do": "load", **task.to_json()})
        with self._understood("loading"):
            return Loaded(read_count(answer, "load_ns"), read_count(answer, "before_bytes"))

    def first(self) -> Times:
        """One query."""
        return self._times("the first inference", {"do": "first"}, 1)

    def warm_up(self, queries: int, seconds: float) -> int:
        """At least as many queries, for at least as long; how many were run."""
        doing = "warming up"
        answer = self._ask(doing, {"do": "warm_up", "queries": queries, "seconds": seconds})
        with self._understood(doing):
            done = read_count(answer, "queries")
            if done < queries:
                raise BadMessageError(f"{done} queries are fewer than {queries}")
            return done

    def run(self, queries: int) -> Times:
        """That many queries, one after the other."""
        return self._times("running", {"do": "run", "queries": queries}, queries)

    def photograph(self, queries: int) -> Photographed:
        """From the photograph to the result; empty for a model that takes other things than images."""
        doing = "classifying a photograph"
        answer = self._ask(doing, {"do": "photograph", "queries": queries})
        with self._understood(doing):
            count = queries if answer.get("end_to_end_ns") else 0
            return Photographed(
                read_times(answer, "preprocessing_ns", count), read_times(answer, "end_to_end_ns", count)
            )

    def memory(self) -> int:
        """The most bytes that have been resident."""
        answer = self._ask("reading its memory", {"do": "memory"})
        with self._understood("reading its memory"):
            return read_count(answer, "peak_bytes")

    def executed(self) -> Executed:
        """Run under the runtime's own profiler; of ONNX Runtime alone."""
        doing = "running under the profiler"
        answer = self._ask(doing, {"do": "executed"})
        with self._understood(doing):
            uncounted = read_names(answer, "uncounted")
            return Executed(
                read_count(answer, "operators"),
                None if uncounted else read_count(answer, "multiply_adds"),
                uncounted,
            )

    def watch(self) -> None:
        """Be able to count instructions from now on: before :meth:`load`, or the runtime's threads are missed."""
        self._ask("counting instructions", {"do": "watch"})

    def count(self, queries: int) -> int:
        """Instructions that all threads retire in user space in so many queries."""
        doing = "counting instructions"
        answer = self._ask(doing, {"do": "count", "queries": queries})
        with self._understood(doing):
            return read_count(answer, "instructions")

    def fork(self, queries: int) -> int:
        """Run that many queries in a copy of the process, to its end; the number of that process."""
        doing = "running in a fork"
        answer = self._ask(doing, {"do": "fork", "queries": queries})
        with self._understood(doing):
            return read_count(answer, "process")

    def _times(self, doing: str, order: dict[str, object], count: int) -> Times:
        answer = self._ask(doing, order)
        with self._understood(doing):
            return Times(read_times(answer, "wall_ns", count), read_times(answer, "cpu_ns", count))

    def _ask(self, doing: str, order: dict[str, object]) -> dict[str, object]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode(order))
            self._process.stdin.flush()
        except OSError:
            raise self._ended(doing) from None
        line = self._line(doing)
        with self._understood(doing):
            answer = decode(line)
            if lines := read_lines(answer):
                raise WorkerError(f"{doing}: {'; '.join(lines)}")
        return answer

    def _line(self, doing: str) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._read[-_CHUNK:]:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                passed = time.monotonic() - self._started
                raise WorkerError(
                    f"{doing}: no answer, and its time of {passed:.0f} s is over (--time-limit)"
                )
            chunk = os.read(pipe, _CHUNK)
            if not chunk:
                raise self._ended(doing)
            self._read += chunk
            if len(self._read) > MAX_LINE:
                raise WorkerError(f"{doing}: it answered more than {MAX_LINE} bytes")
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _ended(self, doing: str) -> WorkerError:
        """Why the process is no more."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return WorkerError(f"{doing}: it closed its pipe")
        how = f"ended with exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"crashed with {signal.Signals(-code).name}"
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 2000))
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return WorkerError(f"{doing}: it {how}{': ' + said[-1][:300] if said else ''}")

    @contextmanager
    def _understood(self, doing: str) -> Iterator[None]:
        try:
            yield
        except BadMessageError as error:
            raise WorkerError(f"{doing}: its answer is no answer: {error}") from None


def command() -> list[str]:
    """The command line of a worker."""
    return [sys.executable, "-c", _START, *sys.path]


@contextmanager
def worker(threads: int, deadline: float, under: Sequence[str] = ()) -> Iterator[Worker]:
    """A fresh process, which does not outlive the block, whatever ends it.

    It is a group of its own, so that Ctrl-C reaches the parent alone, which then ends it. ``under`` is the
    command that it is an argument of, if any.
    """
    environment = os.environ | dict.fromkeys(_THREADS, str(threads))
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [*under, *command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
        try:
            yield Worker(process, errors, deadline)
        finally:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The process and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()
