"""How a candidate is measured: presets, and what was asked for beside them. It goes into the result."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from cloformer.errors import UsageError, choose
from cloformer.io.numbers import whole

__all__ = [
    "AUTO",
    "COUNTERS",
    "CUSTOM",
    "MAX_SECONDS",
    "MAX_THREADS",
    "PRESETS",
    "Counting",
    "Preset",
    "Protocol",
    "Rounds",
    "parse_threads",
    "protocol",
]

MAX_SECONDS = 600.0  # a run ends there however few queries it has
AUTO = "auto"
COUNTERS = ("perf_event", "valgrind")  # of instructions, in the order that AUTO tries them
CUSTOM = "custom"  # the name of what is no preset
_FOR_THE_REST = (
    300.0  # seconds for load, warm-up, photographs and memory, before a candidate counts as hanging
)
MAX_THREADS = 256


@dataclass(frozen=True)
class Preset:
    """A run has at least this many queries and lasts at least this many seconds."""

    queries: int
    seconds: float


PRESETS = {
    "normal": Preset(1024, 60.0),
    "quick": Preset(128, 10.0),
    "rapid": Preset(64, 6.0),
}


@dataclass(frozen=True)
class Counting:
    """What an inference takes is counted: beside its time, or ``only`` that. ``counter`` counts instructions, with
    its version where it is a program; None if none does, and ``why``. Of a row there may be up to so many operators,
    multiply-adds and instructions; None for as many as there are."""

    only: bool = False
    counter: str | None = None
    counter_version: str | None = None
    why: str | None = None
    max_operators: int | None = None
    max_multiply_adds: int | None = None
    max_instructions: int | None = None

    @property
    def has_limits(self) -> bool:
        return (self.max_operators, self.max_multiply_adds, self.max_instructions) != (None, None, None)


@dataclass(frozen=True)
class Protocol:
    """What holds for every candidate of a report. Times are in seconds.

    The first ``warm_up_queries`` queries, and as many more as fill ``warm_up_seconds``, are thrown away. A run
    ends with ``min_queries`` and ``min_seconds``, at the latest after ``max_seconds``. A candidate that has
    not answered after ``time_limit`` has failed. ``inputs`` seeded inputs take turns. ``counting`` is None if
    nothing is counted.
    """

    preset: str
    min_queries: int
    min_seconds: float
    max_seconds: float
    time_limit: float
    threads: tuple[int, ...] = (1,)
    pin: bool = False
    cold: bool = False
    seed: int = 0
    warm_up_queries: int = 10
    warm_up_seconds: float = 1.0
    inputs: int = 4
    photographs: int = 20  # queries from the photograph on
    memory_queries: int = 10  # in the process that memory is read in
    cold_starts: int = 5  # processes, if ``cold``
    counting: Counting | None = None

    def to_json(self) -> dict[str, object]:
        """How times are measured; what is counted stands beside it."""
        found = asdict(self) | {"threads": list(self.threads)}
        del found["counting"]
        return found


@dataclass(frozen=True)
class Rounds:
    """How candidates that are compared take turns.

    There are ``least`` rounds, and up to ``most`` as long as ``max_regression`` (the share by which a candidate may be
    slower than the first) is neither shown to be kept nor shown to be broken. In a round each candidate has a fresh
    process. A turn takes about ``turn_seconds`` of the slowest candidate, after one query that is thrown away, because
    the caches are another candidate's then. A round has at least ``turns`` turns: fewer give no interval.
    """

    least: int = 3
    most: int = 12
    turn_seconds: float = 0.1
    turns: int = 10
    max_regression: float | None = None


def protocol(
    preset: str,
    *,
    threads: tuple[int, ...] = (1,),
    runs: int | None = None,
    min_seconds: float | None = None,
    time_limit: float | None = None,
    pin: bool = False,
    cold: bool = False,
) -> Protocol:
    """A preset with what differs from it, which gives it the name "custom".

    ``runs`` and ``min_seconds`` are the least of each run, ``time_limit`` the seconds after which a candidate has failed.

    Raises :class:`UsageError` for a preset that does not exist and for limits that contradict one another.
    """
    row = PRESETS[choose("preset", preset, PRESETS)]
    queries = row.queries if runs is None else runs
    seconds = row.seconds if min_seconds is None else min_seconds
    longest = max(MAX_SECONDS, seconds)
    limit = longest + _FOR_THE_REST if time_limit is None else time_limit
    if not math.isfinite(seconds) or seconds < 0:
        raise UsageError(
            f"--min-seconds {seconds:g} cannot be waited for", "--min-seconds takes 0 or more, for example 10"
        )
    if not math.isfinite(limit) or limit <= seconds:
        raise UsageError(
            f"a candidate cannot run for {seconds:g} s (--min-seconds) within {limit:g} s (--time-limit)",
            f"raise --time-limit, for example --time-limit {longest + _FOR_THE_REST:g}, or lower --min-seconds",
        )
    return Protocol(
        preset=preset if (queries, seconds) == (row.queries, row.seconds) else CUSTOM,
        min_queries=queries,
        min_seconds=seconds,
        max_seconds=longest,
        time_limit=limit,
        threads=threads,
        pin=pin,
        cold=cold,
    )


def parse_threads(text: str) -> tuple[int, ...]:
    """``1,2,4`` as numbers, each once; :class:`UsageError` if it is something else."""
    try:
        return tuple(dict.fromkeys(whole(part.strip(), 1, MAX_THREADS) for part in text.split(",")))
    except ValueError:
        raise UsageError(
            f"--threads {text!r} is no list of thread counts from 1 to {MAX_THREADS}",
            "--threads takes 1, or 1,2,4",
        ) from None
