"""What a profiler is: a format's module that says what its runtime executes, how long it takes, and what bounds it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .runner import Array

__all__ = ["ExecutedOperator", "ProfiledRuns", "Profiler", "Rate", "Rates", "Work", "median_seconds"]

_WARM_UP, _FEWEST = 2, 5  # calls


@dataclass(frozen=True)
class Work:
    """What one operator has to do in one inference: multiply-adds, None if they are not known, and bytes of the values
    that it reads and writes."""

    multiply_adds: int | None
    bytes: int


@dataclass(frozen=True)
class ExecutedOperator:
    """An operator that the runtime executed, after its optimizer.

    ``name`` is the runtime's and unique, ``operator`` the operator's type; ``taken`` is what each run took: microseconds,
    or instructions where those are counted. ``value`` is the value of the file that it computes, None if it was not found; ``stands_for`` are the types of
    the file's operators that became this one, none for an operator that only moves a value. ``origin_values`` are values
    of the file to look up where it comes from, the most telling first. ``output`` is the shape of its first output, None
    if it is not known.
    """

    name: str
    operator: str
    taken: tuple[int, ...]
    work: Work
    value: str | None
    stands_for: tuple[str, ...]
    origin_values: tuple[str, ...]
    output: tuple[int, ...] | None


@dataclass(frozen=True)
class ProfiledRuns:
    """Operators in the order they run. ``whole_us`` are microseconds of each whole run, which include what it costs to
    time each operator; none if the runtime does not say. ``warm_up`` runs came before and were thrown away."""

    runtime: str
    versions: Mapping[str, str]
    warm_up: int
    operators: tuple[ExecutedOperator, ...]
    whole_us: tuple[int, ...]


@dataclass(frozen=True)
class Rate:
    """What was run, how often, and the rate of the median call: 10^9 FLOP or bytes a second."""

    name: str
    calls: int
    giga_per_second: float

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "calls": self.calls, "giga_per_second": self.giga_per_second}


@dataclass(frozen=True)
class Rates:
    """How fast the runtime multiplies matrices, and how fast it reads and writes memory: one rate for each size."""

    products: tuple[Rate, ...]
    transfers: tuple[Rate, ...]


class Profiler(Protocol):
    """A module of a format's folder."""

    @property
    def UNCOUNTED(self) -> frozenset[str]:  # noqa: N802 - a module's constant
        """Types of operators that multiply, and whose multiply-adds are not counted."""

    def profile_runs(
        self, model: Path, inputs: Mapping[str, Array], *, threads: int, runs: int, layout: bool
    ) -> ProfiledRuns:
        """Run the model at ``model`` under the runtime's own profiler, ``runs`` times after a warm-up.

        ``threads`` is 0 for the runtime's own choice; ``layout`` is whether the runtime may reorder memory for its
        kernels. Raises :class:`InputError` for a model that cannot be run, :class:`UsageError` for more runs than can be
        recorded, :class:`UnsupportedError` if the profiler writes what is not understood.
        """

    def measure_rates(self, threads: int, *, seconds: float, array_bytes: int) -> Rates:
        """Measure matrix products, and arrays of ``array_bytes`` each, for ``seconds`` every size."""


def median_seconds(call: Callable[[], object], seconds: float, threads: int) -> tuple[int, float]:
    """How often it was called, and the median of what a call took: of the processor with one thread, else by the clock.

    A call that goes through memory takes many milliseconds, in which a busy machine lets others run, while an operator of a
    model is mostly done before that: by the clock, memory would seem slower than the model's own operators. So it is the
    processor's time that counts where one thread works, which is this one.
    """
    now = time.thread_time if threads == 1 else time.perf_counter
    for _ in range(_WARM_UP):
        call()
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken) < _FEWEST or time.perf_counter() < until:
        started = now()
        call()
        taken.append(now() - started)
    return len(taken), max(statistics.median(taken), 1e-9)
