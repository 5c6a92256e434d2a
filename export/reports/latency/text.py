"""A latency report for a terminal: plain text, as wide as it. Times are milliseconds of the host, and it says so."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from cloformer.io.output import width

from ...latency.placed import OPERATORS_RUN
from ..shared.table import Column, Fitted, fitted
from ..shared.words import count, plain, tail, wrapped

if TYPE_CHECKING:
    from ...latency.environment import Environment
    from ...latency.report import LatencyReport, Measurement

__all__ = [
    "COLUMNS",
    "about_counts",
    "candidate",
    "endings",
    "gate_line",
    "how",
    "megabytes",
    "milliseconds",
    "remarks",
    "render",
    "where",
]

COLUMNS = ("median", "p90", "min", "mean", "std", "p95", "p99")
_DIGITS = (1, 4), (10, 3), (10_000, 2)  # milliseconds below which so many digits are shown after the point
_NONE = "-"
_RANKS = {
    "threads": 0, "median": 0, "p90": 1, "min": 3, "mean": 6, "std": 8, "p95": 9, "p99": 5, "n": 2, "load": 7,
    "first": 7, "peak": 4,
}  # fmt: skip
_VERDICT = 11


def render(report: LatencyReport) -> str:
    """A row for each candidate and thread count; below it, what there is to say of it."""
    return "\n".join([*_head(report), "", *_rows(report), *_end(report)])


def _head(report: LatencyReport) -> Iterator[str]:
    yield from wrapped(how(report), indent=2)
    yield from wrapped(where(report.environment), indent=2)


def how(report: LatencyReport) -> str:
    """What was timed by which rules, in a line."""
    rules = report.protocol
    measured_on = " and ".join(sorted({row.measured_on for row in report.rows})) or "nothing measured"
    if rules.counting is not None and rules.counting.only:
        return f"{measured_on}; counted, and not timed"
    least = f"at least {count(rules.min_queries, 'query')} and {rules.min_seconds:g} s"
    return f"{measured_on}; milliseconds; preset {rules.preset}: {least}; p90 by early stopping"


def where(here: Environment) -> str:
    """The machine in a line."""
    cores = "" if here.cores is None else f", {count(here.cores, 'core')}"
    usable = f"{len(here.affinity)} of {count(here.processors, 'processor')}{cores}"
    return f"on {plain(here.processor)} ({usable}), {plain(here.system)}"


def _rows(report: LatencyReport) -> Iterator[str]:
    columns = _fitted()
    yield f"{columns.head}  verdict"
    for name, rows in groupby(report.rows, candidate):
        yield tail(name, width())
        for row in rows:
            yield _row(row)
            for line in _below(row):
                yield from wrapped(f"         {plain(line)}", indent=11)


def candidate(row: Measurement) -> str:
    """What was timed, and what ran it."""
    return plain(f"{row.artifact}, {row.title} ({row.runtime})")


def _row(row: Measurement) -> str:
    found = row.summary
    cells = {
        "threads": f"{row.threads}",
        **{name: milliseconds(None if found is None else getattr(found, name)) for name in COLUMNS},
        "n": f"{len(row.wall_ns)}",
        "load": milliseconds(None if row.load_ns is None else row.load_ns / 1e9),
        "first": milliseconds(None if row.first_ns is None else row.first_ns / 1e9),
        "peak": _NONE if row.peak_bytes is None else megabytes(row.peak_bytes),
    }
    return f"{_fitted().row(cells)}  {row.verdict.word}"


def _fitted() -> Fitted:
    """The columns before the verdict."""
    return fitted(
        [Column(name, 7 if name == "threads" else 8, rank) for name, rank in _RANKS.items()],
        width() - _VERDICT,
    )


def _below(row: Measurement) -> Iterator[str]:
    for reason in row.verdict.reasons:
        yield f"{row.verdict.word}: {reason}"
    yield from remarks(row)


def remarks(row: Measurement) -> Iterator[str]:
    """What there is to say of a row beside its figures and its verdict; times are milliseconds."""
    if any(counted is not None for counted in (row.operators, row.instructions)):
        yield f"an inference takes {_counts(row)}"
    for line in row.exceeded:
        yield f"OVER THE LIMIT: {line}"
    for note in row.notes:
        yield f"note: {note}"
    if row.summary is not None and row.summary.p90 is None and row.complete:
        yield "note: there is no p90 of fewer than 64 queries"
    if row.end_to_end_ns:
        yield f"preprocessing of a photograph {_median(row.preprocessing_ns)}, end to end {_median(row.end_to_end_ns)}"
    if row.cold_first_ns:
        yield f"cold start: load {_median(row.cold_load_ns)}, first inference {_median(row.cold_first_ns)}"
    if row.before_bytes is not None:
        yield f"of the peak, {megabytes(row.before_bytes)} were there before the model was loaded"
    if row.pinned_to is not None:
        yield f"pinned to {count(row.pinned_to, 'processor')}: {', '.join(map(str, row.pinned_to))}"


def _counts(row: Measurement) -> str:
    """What could be counted of an inference."""
    found = [
        count(value, word) + more
        for value, word, more in (
            (row.operators, "operator", ""),
            (row.multiply_adds, "multiply-add", ""),
            (row.instructions, "instruction", f" ({row.counted_by})"),
        )
        if value is not None
    ]
    return ", ".join(found)


def _end(report: LatencyReport) -> Iterator[str]:
    gate = gate_line(report)
    for line in _fitted().said():
        yield from wrapped(f"{line} (--output and --html have them)", indent=2)
    for line in (*endings(report), *about_counts(report), *([] if gate is None else [gate])):
        yield ""
        yield from wrapped(line, indent=2)


def about_counts(report: LatencyReport) -> Iterator[str]:
    """What they are of, and what can be compared with them."""
    if any(row.operators is not None for row in report.rows):
        yield f"operators are counted {OPERATORS_RUN}"
    if any(row.instructions is not None for row in report.rows):
        yield (
            "instructions are comparable with those that the same counter counts on the same processor, "
            "of the same versions"
        )


def gate_line(report: LatencyReport) -> str | None:
    """Whether the counts keep their limits; None if there are none."""
    if report.gate is None:
        return None
    over = sum(bool(row.exceeded) or row.failure is not None for row in report.rows)
    return {
        "passed": f"{count(report.rows, 'row')} within the limits",
        "failed": f"FAILED: {over} of {count(report.planned, 'row')} not within the limits",
    }.get(report.gate, "the limits are not shown to be kept")


def endings(report: LatencyReport) -> Iterator[str]:
    """Why the report is not whole; nothing if it is."""
    if report.stopped is not None:
        yield f"INCOMPLETE: {report.stopped} at {count(report.rows, 'row')} of {report.planned}"
    if report.failed:
        yield f"{len(report.failed)} of {count(report.planned, 'row')} could not be measured"


def _median(samples_ns: Sequence[int]) -> str:
    return f"{milliseconds(statistics.median(samples_ns) / 1e9)} (median of {len(samples_ns)})"


def milliseconds(seconds: float | None) -> str:
    """Milliseconds, with about four digits that count."""
    if seconds is None:
        return _NONE
    value = seconds * 1e3
    digits = next((digits for limit, digits in _DIGITS if value < limit), 0)
    return f"{value:.{digits}f}"


def megabytes(size: int) -> str:
    """Of 10^6 bytes."""
    return f"{size / 1e6:.0f} MB"
