"""What was measured: frozen values that carry numbers with units. They print nothing; writers do.

Samples are nanoseconds in the order they were measured, all of them; figures made of them are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from .environment import Environment, Load
from .protocol import Protocol
from .statistics import Summary, Verdict, judged, summarize

__all__ = ["LatencyReport", "Measurement"]

_BILLION = 1e9


@dataclass(frozen=True)
class Measurement:
    """One candidate at one thread count: a row.

    ``manifest_sha256`` identifies the artifact, every file of it included. ``wall_ns`` is the time of each
    query by the clock, ``cpu_ns`` that of the processors. What is not there was not reached, or does not
    exist: of a model that takes no image there is no ``end_to_end_ns``. ``peak_bytes`` and ``before_bytes``
    (resident before the model was loaded) come from a process of their own, and so does every cold start.
    ``disturbed`` says what else the machine did. What an inference takes is None where it was not, or could not
    be, counted; ``counted_by`` counted the instructions, and ``exceeded`` are the limits that were not kept, a
    line each. A row that is not ``timed`` has counts alone.
    """

    artifact: str
    manifest_sha256: str
    model: str
    format: str
    precision: str
    image_size: str
    runner: str
    title: str
    runtime: str
    options: Mapping[str, str]
    measured_on: str
    threads: int
    pinned_to: tuple[int, ...] | None
    load_ns: int | None = None
    first_ns: int | None = None
    warm_up_queries: int = 0
    wall_ns: tuple[int, ...] = ()
    cpu_ns: tuple[int, ...] = ()
    preprocessing_ns: tuple[int, ...] = ()
    end_to_end_ns: tuple[int, ...] = ()
    peak_bytes: int | None = None
    before_bytes: int | None = None
    cold_load_ns: tuple[int, ...] = ()
    cold_first_ns: tuple[int, ...] = ()
    load_before: Load | None = None
    load_after: Load | None = None
    disturbed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str | None = None
    complete: bool = False
    timed: bool = True
    operators: int | None = None
    multiply_adds: int | None = None
    instructions: int | None = None
    counted_by: str | None = None
    exceeded: tuple[str, ...] = ()

    @cached_property
    def summary(self) -> Summary | None:
        """Of the wall time; None if no query was timed."""
        return summarize([time / _BILLION for time in self.wall_ns]) if self.wall_ns else None

    @property
    def verdict(self) -> Verdict:
        """stable, unstable or drifting; failed or incomplete if there is no whole run to judge, and counted if
        there should be none."""
        if self.failure is not None:
            return Verdict("failed", (self.failure,))
        if self.complete and not self.timed:
            return Verdict("counted", ())
        if not self.complete or self.summary is None:
            return Verdict("incomplete", ("it was stopped before its end",))
        return judged(self.summary, self.disturbed)

    def to_json(self) -> dict[str, object]:
        # Not asdict, which would copy every sample.
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, value in plain.items():
            if isinstance(value, tuple):
                plain[name] = list(value)
            elif isinstance(value, Load):
                plain[name] = asdict(value)
        return plain | {
            "options": dict(self.options),
            "summary": None if self.summary is None else asdict(self.summary),
            "verdict": {"word": self.verdict.word, "reasons": list(self.verdict.reasons)},
        }


@dataclass(frozen=True)
class LatencyReport:
    """All rows, in the order they were measured. ``planned`` is how many there should be; ``stopped`` says
    why there are fewer: "interrupted" or "terminated"."""

    protocol: Protocol
    environment: Environment
    rows: tuple[Measurement, ...]
    planned: int
    stopped: str | None = None

    @property
    def complete(self) -> bool:
        """Every candidate was measured to its end."""
        return len(self.rows) == self.planned and all(row.complete for row in self.rows)

    @property
    def failed(self) -> list[Measurement]:
        return [row for row in self.rows if row.failure is not None]

    @property
    def gate(self) -> str | None:
        """``passed`` if every row keeps the limits on what an inference takes, ``failed`` if one does not, ``not
        shown`` if that is not known of all yet. None without limits."""
        counting = self.protocol.counting
        if counting is None or not counting.has_limits:
            return None
        if any(row.exceeded or row.failure is not None for row in self.rows):
            return "failed"
        return "passed" if self.complete else "not shown"

    def to_json(self) -> dict[str, object]:
        return {
            "schema_version": 1,
            "complete": self.complete,
            "stopped": self.stopped,
            "planned": self.planned,
            "protocol": self.protocol.to_json(),
            "counting": None if self.protocol.counting is None else asdict(self.protocol.counting),
            "gate": self.gate,
            "environment": self.environment.to_json(),
            "rows": [row.to_json() for row in self.rows],
        }
