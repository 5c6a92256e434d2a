"""What ``cloformer bench`` measured as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..shared.markup import Markup, tag
from ..shared.page import page
from ..shared.parts import badge, cell, doubts, environment, table, verdict_chip
from ..shared.words import count, plain
from .chart import course_drawing, median_bar, spread_figure
from .course_chart import course_figure
from .parts import footer, incomplete, protocol, row_facts, threads
from .text import COLUMNS, about_counts, candidate, endings, gate_line, how, milliseconds, remarks, where

if TYPE_CHECKING:
    from ...latency.report import LatencyReport, Measurement

__all__ = ["latency_page"]

_COLUMNS = {name: name if name[0] == "p" else name.capitalize() for name in COLUMNS}


def latency_page(report: LatencyReport) -> str:
    """The page: every row in one table, then each with what its samples look like."""
    names = dict.fromkeys(plain(f"{row.model} {row.format} {row.precision}") for row in report.rows)
    name = ", ".join(names) or "nothing yet"
    rest = tag(
        "section",
        protocol(report.protocol),
        environment(report.environment.to_json(), report.environment.versions),
    )
    return page(
        f"Latency{'' if report.complete else ', INCOMPLETE'}: {name}",
        _header(report, name),
        [
            *(_section(index, row) for index, row in enumerate(report.rows, 1)),
            tag("section", rest, class_="report"),
        ],
        footer(report.rows),
    )


def _header(report: LatencyReport, name: str) -> list[Markup]:
    good = report.complete and report.gate in (None, "passed")
    parts = [
        tag("p", "cloformer bench", class_="eyebrow"),
        tag("h1", *([] if good and report.gate is None else [badge(good)]), f"Latency of {name}"),
        tag("p", _lede(report), class_="lede"),
        tag("p", f"{how(report)}; {where(report.environment)}.", class_="aside"),
    ]
    parts += [tag("p", f"{line}.", class_="aside") for line in about_counts(report)]
    if (line := gate_line(report)) is not None:
        parts.append(tag("p", line, class_="gate" if report.gate == "passed" else "gate bad"))
    if not report.complete:
        parts.append(incomplete([*endings(report)], f"{count(report.rows, 'row')} of {report.planned}"))
    if report.rows:
        parts.append(_table(report))
    return parts


def _lede(report: LatencyReport) -> str:
    """The one row there is; or how many there are."""
    if not report.rows:
        return "Nothing is measured."
    if len(report.rows) > 1:
        return f"{count(report.rows, 'row')}, measured one after the other."
    (row,) = report.rows
    if row.summary is None:
        return f"{row.verdict.word}: no query was timed."
    p90 = "" if row.summary.p90 is None else f", p90 {milliseconds(row.summary.p90)} ms"
    return f"Median {milliseconds(row.summary.median)} ms{p90} of {count(row.summary.n, 'query')}: {row.verdict.word}."


def _table(report: LatencyReport) -> Markup:
    names = ("Candidate", "Median, p90, p99", *(f"*{head}" for head in _COLUMNS.values()), "*n", "Verdict")
    most = max((row.summary.p99 for row in report.rows if row.summary is not None), default=1.0)
    rows = [_row(index, row, most) for index, row in enumerate(report.rows, 1)]
    return tag("div", table(names, rows), class_="panel latency")


def _row(index: int, row: Measurement, most: float) -> Markup:
    found = row.summary
    name = tag("a", row.artifact, href=f"#r{index}")
    by = f"{row.title} ({row.runtime}), {threads(row)}"
    figures = [None if found is None else getattr(found, column) for column in _COLUMNS]
    return tag(
        "tr",
        tag("th", name, tag("small", by), scope="row"),
        tag("td", *([] if found is None else [median_bar(found, most)]), class_="strip-cell", data_label="Median"),
        *(cell(head, milliseconds(value), "num") for head, value in zip(_COLUMNS.values(), figures)),
        cell("n", f"{len(row.wall_ns):,}", "num"),
        cell("Verdict", verdict_chip(row.verdict.word)),
    )  # fmt: skip


def _section(index: int, row: Measurement) -> Markup:
    parts = [
        tag("div", tag("h2", candidate(row)), verdict_chip(row.verdict.word), class_="title"),
        tag("p", f"{row.measured_on}, {threads(row)}.", class_="aside"),
        *doubts(row.verdict.word, row.verdict.reasons),
        row_facts(row),
        _charts(row),
        *_remarks(row),
    ]
    return tag("section", *parts, id=f"r{index}", class_="report")


def _charts(row: Measurement) -> Markup:
    found = row.summary
    if found is None:
        return tag("section", tag("h3", "Queries"), tag("p", "No query was timed.", class_="aside"))
    moved = ""
    if found.drift is not None:
        moved = f" The first and the last tenth are shaded: their medians differ by {found.drift:+.1%}."
    spread = tag(
        "section",
        tag("h3", "How the times are spread"),
        tag("p", "How many queries took how many milliseconds.", class_="aside"),
        spread_figure(row, found),
    )
    course = tag(
        "section",
        tag("h3", "Over the run"),
        tag("p", f"Milliseconds, in the order the queries ran.{moved}", class_="aside"),
        course_figure(course_drawing(row, found)),
    )
    return tag("div", spread, course, class_="beside")


def _remarks(row: Measurement) -> Iterator[Markup]:
    if lines := [*remarks(row)]:
        yield tag(
            "section",
            tag("h3", "Beside the run"),
            tag("p", "Milliseconds.", class_="aside"),
            tag("ul", *(tag("li", line) for line in lines)),
        )
