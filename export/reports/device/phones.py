"""Several devices' reports of one artifact, side by side, for a terminal: a column for each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cloformer.io.output import width

from ...bundle.compute_plan import percent
from ...latency.statistics import Summary, summarize
from ..shared.table import Column, fitted
from ..shared.words import count, number, plain, wrapped
from .plan import share_words
from .report import coarse_lines

if TYPE_CHECKING:
    from ...bundle.device_report import DeviceReport, VectorResult

__all__ = ["about", "error_words", "latency_of", "milliseconds", "phones_lines", "verdict_words", "worst"]

_WHOLE = 100_000  # columns where there is no terminal
_NONE = "-"


def about(report: DeviceReport) -> str:
    """What ran the model, and where it was to run."""
    runtime = report.document["runtime"]
    return f"{runtime['name']} {runtime['version']}, {runtime['provider']}"


def verdict_words(report: DeviceReport) -> str:
    """``pass``, or how many of the kit's vectors hold."""
    if report.passed:
        return "pass"
    held = sum(vector.passed for vector in report.vectors)
    return f"FAIL {held}/{len(report.vectors) + len(report.missing)}"


def worst(report: DeviceReport) -> VectorResult | None:
    """The vector whose error is the largest beside what is allowed; None if none was compared."""
    compared = [vector for vector in report.vectors if vector.error is not None]
    return max(
        compared, key=lambda vector: (vector.error or 0.0) / (vector.allowed or math.inf), default=None
    )


def error_words(vector: VectorResult | None) -> str:
    """As a share of the largest output; marked where it does not hold."""
    if vector is None:
        return "not run"
    said = "not compared" if vector.error is None else number(vector.error)
    return said if vector.passed else f"{said} FAIL"


def latency_of(report: DeviceReport) -> Summary | None:
    """Seconds; None if the report has no times."""
    latency = report.document["latency"]
    samples = [] if latency is None else latency["samples_ns"]
    return summarize([time / 1e9 for time in samples]) if samples and all(samples) else None


def milliseconds(seconds: float | None) -> str:
    return _NONE if seconds is None else f"{1e3 * seconds:.2f}"


def phones_lines(reports: Sequence[DeviceReport], short: Sequence[str | None]) -> Iterator[str]:
    """The devices by number, a table with a column for each, where each ran the operators, and the verdict. ``short`` is why
    too little ran on the accelerator, for each."""
    for place, report in enumerate(reports, 1):
        yield from wrapped(plain(f"{place}  {report.device}: {about(report)}"), indent=3)
    yield ""
    rows = _rows(reports)
    widest = 2 + max(len(name) for name in rows)
    columns = [
        Column(f"{place + 1}", 2 + max(len(cells[place]) for cells in rows.values()), place)
        for place in range(len(reports))
    ]
    kept = fitted(columns, width(_WHOLE) - widest)
    yield f"{'':<{widest}}{kept.head}"
    for name, cells in rows.items():
        yield f"{name:<{widest}}{kept.row({f'{place + 1}': text for place, text in enumerate(cells)})}"
    yield from kept.said()
    yield from coarse_lines(reports)
    yield ""
    for place, report in enumerate(reports, 1):
        yield from wrapped(plain(f"{place}  where it ran: {share_words(report.plan)}"), indent=3)
    for place, why in enumerate(short, 1):
        if why is not None:
            yield from wrapped(plain(f"{place}  FAIL  {why}"), indent=3)
    passed = sum(report.passed and why is None for report, why in zip(reports, short, strict=True))
    yield f"{'PASS' if passed == len(reports) else 'FAIL'}: {passed} of {count(reports, 'report')} hold"


def _rows(reports: Sequence[DeviceReport]) -> Mapping[str, list[str]]:
    """The cells by what they are; errors of vectors by the vectors' names."""
    plans, times = [report.plan for report in reports], [latency_of(report) for report in reports]
    rows = {
        "verdict": [verdict_words(report) for report in reports],
        "on accelerator, operators": [_share(plan.share_of_operators) for plan in plans],
        "on accelerator, cost": [_share(plan.share_of_cost) for plan in plans],
        "partitions": [f"{len(plan.stretches):,}" if plan.operators else _NONE for plan in plans],
        "median, ms": [milliseconds(item.median if item else None) for item in times],
        "p90, ms": [milliseconds(item.p90 if item else None) for item in times],
        "threads": [_threads(report) for report in reports],
    }
    for name in vector_names(reports):
        rows[f"error, {plain(name)}"] = [error_words(vector_of(report, name)) for report in reports]
    return rows


def _share(share: float | None) -> str:
    return _NONE if share is None else percent(share)


def _threads(report: DeviceReport) -> str:
    threads = report.document["runtime"]["threads"]
    return f"{threads}" if threads else _NONE


def vector_names(reports: Sequence[DeviceReport]) -> list[str]:
    """Of all reports, in the kit's order as far as they were run."""
    names = dict.fromkeys(vector.name for report in reports for vector in report.vectors)
    return [
        *names,
        *dict.fromkeys(name for report in reports for name in report.missing if name not in names),
    ]


def vector_of(report: DeviceReport, name: str) -> VectorResult | None:
    return next((vector for vector in report.vectors if vector.name == name), None)
