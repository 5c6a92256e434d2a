"""The result of a profile: times of operators and what bounds them, and the same summed up in other ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from cloformer.io.words import count

from .environment import Environment, Load
from .placed import PlacedOperator, grouped, module_of
from .roofline import Roofline
from .statistics import Verdict, judged, summarize

__all__ = ["MEASURED_ON", "Group", "OperatorTime", "Profile"]

MEASURED_ON = "host CPU"
_ROUNDED_US = 1  # of the profiler's times


@dataclass(frozen=True)
class OperatorTime(PlacedOperator):
    """``us`` is the median of the runs, in microseconds."""

    us: float


@dataclass(frozen=True)
class Group:
    """Operators summed up. ``us`` and the bounds are microseconds; ``share`` is of all operators' time.

    ``bound_us`` is the sum over operators of the larger of its two bounds, ``compute_us`` that of the products
    alone.
    """

    name: str
    operators: int
    us: float
    share: float
    multiply_adds: int
    bytes: int
    bound_us: float
    compute_us: float

    @property
    def gflops(self) -> float | None:
        """10^9 FLOP a second, a multiply-add being two; None for what took no time that can be measured."""
        return 2 * self.multiply_adds / self.us / 1e3 if self.us else None

    @property
    def gigabytes_per_second(self) -> float | None:
        return self.bytes / self.us / 1e3 if self.us else None

    @property
    def of_roofline(self) -> float | None:
        """The share of the roofline that is achieved; above 1 where values were still in a cache."""
        return self.bound_us / self.us if self.us else None

    @property
    def of_compute(self) -> float | None:
        """The same, if memory cost nothing."""
        return self.compute_us / self.us if self.us else None

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "operators": self.operators,
            "microseconds": self.us,
            "share": self.share,
            "multiply_adds": self.multiply_adds,
            "bytes": self.bytes,
            "gflops": self.gflops,
            "gigabytes_per_second": self.gigabytes_per_second,
            "roofline_microseconds": self.bound_us,
            "compute_microseconds": self.compute_us,
            "of_roofline": self.of_roofline,
            "of_compute": self.of_compute,
        }


@dataclass(frozen=True)
class Profile:
    """Rows in the order they run. ``runs_us`` are microseconds of all operators in each run, ``whole_us`` the median of
    whole runs under the profiler, with what it costs to time each operator; None if it was not told. ``disturbed`` says
    what else the machine did from ``load_before`` to ``load_after``."""

    artifact: str
    model: str
    format: str
    precision: str
    manifest_sha256: str
    runtime: str
    threads: int
    layout: bool
    runs: int
    warm_up: int
    rows: tuple[OperatorTime, ...]
    runs_us: tuple[int, ...]
    whole_us: float | None
    roofline: Roofline
    notes: tuple[str, ...]
    environment: Environment
    load_before: Load
    load_after: Load
    disturbed: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether the runs agree with one another and nothing else disturbed them, as `cloformer bench` judges it."""
        if not self.runs_us:
            return Verdict("unstable", ("nothing was timed",))
        return judged(summarize([us / 1e6 for us in self.runs_us]), self.disturbed, "run")

    @property
    def above_roofline(self) -> tuple[str, ...]:
        """Why operators are faster than the roofline allows, a line for each cause that there is."""
        bounds = [
            (row, self.roofline.memory_us(row.work), self.roofline.compute_us(row.work)) for row in self.rows
        ]
        above = [row for row, memory, compute in bounds if max(memory, compute) > row.us]
        rounded = [
            row for row, memory, compute in bounds if row.us < max(memory, compute) <= row.us + _ROUNDED_US
        ]
        in_cache = [row for row, memory, _ in bounds if memory > row.us + _ROUNDED_US]
        multiplied = [row for row, _, compute in bounds if compute > row.us + _ROUNDED_US]
        causes = {
            f"{count(in_cache, 'operator')} moved values that were still in a cache, which is faster than memory": in_cache,
            f"{count(multiplied, 'operator')} multiplied faster than the matrix products that were measured": multiplied,
            f"{count(rounded, 'operator')} may owe it to the profiler, which leaves out parts of microseconds": rounded,
            "the machine was busy, and the measured rates may be too low": above if self.disturbed else [],
        }
        return tuple(words for words, rows in causes.items() if rows)

    @property
    def total(self) -> Group:
        """All operators: what every share is of."""
        return self._group("all operators", self.rows)

    def by_operator(self) -> list[tuple[OperatorTime, Group]]:
        """Each operator and its own figures, the slowest first."""
        pairs = [(row, self._group(row.name, [row])) for row in self.rows]
        return sorted(pairs, key=lambda pair: -pair[1].us)

    def by_type(self) -> list[Group]:
        """By type of the runtime's operator, the slowest first."""
        return self._grouped(lambda row: row.operator)

    def by_module(self, depth: int) -> list[Group]:
        """By PyTorch module down to ``depth`` names, the slowest first."""
        return self._grouped(lambda row: module_of(row, depth))

    def to_json(self, depth: int = 2) -> dict[str, object]:
        return {
            "schema_version": 1,
            "measured_on": MEASURED_ON,
            "artifact": self.artifact,
            "model": self.model,
            "format": self.format,
            "precision": self.precision,
            "manifest_sha256": self.manifest_sha256,
            "runtime": self.runtime,
            "threads": self.threads,
            "layout": self.layout,
            "runs": self.runs,
            "warm_up": self.warm_up,
            "roofline": self.roofline.to_json(),
            "total": self.total.to_json(),
            "whole_run_microseconds": self.whole_us,
            "run_microseconds": list(self.runs_us),
            "verdict": {"word": self.verdict.word, "reasons": list(self.verdict.reasons)},
            "load_before": asdict(self.load_before),
            "load_after": asdict(self.load_after),
            "disturbed": list(self.disturbed),
            "above_roofline": list(self.above_roofline),
            "depth": depth,
            "by_module": [group.to_json() for group in self.by_module(depth)],
            "by_type": [group.to_json() for group in self.by_type()],
            "operators": [self._group(row.name, [row]).to_json() | row.place_json() for row in self.rows],
            "notes": list(self.notes),
            "environment": self.environment.to_json(),
        }

    def _grouped(self, key: Callable[[OperatorTime], str]) -> list[Group]:
        groups = [self._group(name, rows) for name, rows in grouped(self.rows, key).items()]
        return sorted(groups, key=lambda group: -group.us)

    def _group(self, name: str, rows: Iterable[OperatorTime]) -> Group:
        rows = list(rows)
        us, total = sum(row.us for row in rows), sum(row.us for row in self.rows)
        return Group(
            name,
            len(rows),
            us,
            us / total if total else 0.0,
            sum(row.work.multiply_adds or 0 for row in rows),
            sum(row.work.bytes for row in rows),
            sum(self.roofline.bound_us(row.work) for row in rows),
            sum(self.roofline.compute_us(row.work) for row in rows),
        )
