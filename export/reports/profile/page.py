"""A profile as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...latency.profile_report import MEASURED_ON, OPERATORS_RUN
from ..shared.file import write_report
from ..shared.markup import Markup, tag
from ..shared.page import page
from ..shared.parts import cell, doubts, environment, fact_list, folded, table
from ..shared.words import count, loads, plain
from .chart import bar, roofline_chart
from .text import (
    ABOVE_ALL,
    above_all,
    how,
    measured_rates,
    mebi,
    millions,
    milliseconds,
    percent,
    rate,
    where,
)

if TYPE_CHECKING:
    from ...latency.profile_report import Group, OperatorTime, Profile

__all__ = ["profile_page", "write_page"]

_GROUPS_SHOWN = 12  # the others are folded
_GOOD = 0.5  # of the roofline, from which on an operator has little left to win
_PREFIX = "op"


def write_page(path: Path, report: Profile, depth: int) -> None:
    """Write the page, whole or not at all; :class:`InputError` if the place cannot be written."""
    write_report(path, profile_page(report, depth))


def profile_page(report: Profile, depth: int) -> str:
    """The page, with modules down to ``depth``."""
    name = plain(f"{report.model} {report.format} {report.precision}")
    section = tag(
        "section",
        *doubts(report.verdict.word, report.verdict.reasons),
        _facts(report),
        _roofline(report),
        _groups("Time by module", f"PyTorch modules, to depth {depth}.", "Module", report.by_module(depth)),
        _groups(
            "Time by type of operator",
            f"Operators {OPERATORS_RUN}.",
            "Type",
            report.by_type(),
        ),
        _operators(report),
        *_remarks(report),
        class_="report",
    )
    return page(
        f"Profile: {name}, {MEASURED_ON}",
        _header(report, name),
        [section],
        f"Times are the {MEASURED_ON}'s, and say nothing about a phone's.",
    )


def _header(report: Profile, name: str) -> list[Markup]:
    total = report.total
    achieved = percent(total.of_roofline)
    allowed = (
        "faster than its measured rates allow"
        if achieved == ABOVE_ALL
        else f"{achieved} of what its measured rates allow"
    )
    said = f"{count(total.operators, 'operator')} take {milliseconds(total.us)} ms on the {MEASURED_ON}, {allowed}: {report.verdict.word}."
    return [
        tag("p", "cloformer profile", class_="eyebrow"),
        tag("h1", name),
        tag("p", said, class_="lede"),
        *([] if (why := above_all(report)) is None else [tag("p", f"{ABOVE_ALL} is {why}.", class_="aside")]),
    ]


def _facts(report: Profile) -> Markup:
    product, transfer = measured_rates(report)
    total = report.total
    found = {
        "Artifact": tag("code", report.artifact),
        "Run by": how(report),
        "Machine": report.environment.processor,
        "Load average": loads(report.load_before.average, report.load_after.average),
        "Rate of products": product,
        "Rate of memory": transfer,
        "Operators": f"{milliseconds(total.us)} ms",
        "Roofline": f"{milliseconds(total.bound_us)} ms, {percent(total.of_roofline)} achieved",
        "Products alone": f"{milliseconds(total.compute_us)} ms, {percent(total.of_compute)} achieved",
        "Multiply-adds": f"{millions(total.multiply_adds)} M, {rate(total.gflops)} GFLOP/s",
        "Bytes moved": f"{mebi(total.bytes)} MiB, {rate(total.gigabytes_per_second)} GB/s",
    }
    return fact_list((name, text) for name, text in found.items() if text)


def _roofline(report: Profile) -> Markup:
    said = (
        "Each operator that multiplies: its rate over its FLOP for every byte moved, both logarithmic; the larger, "
        "the more time it takes. The line is what this machine reaches, measured: memory to the left, products "
        "to the right. Above it are operators whose values were still in a cache."
    )
    return tag(
        "section",
        tag("h3", "Roofline"),
        tag("p", said, class_="aside"),
        tag("div", roofline_chart(report, _PREFIX), class_="panel"),
    )


def _groups(heading: str, said: str, first: str, groups: Sequence[Group]) -> Markup:
    names = (first, "Share of the time", "*ms", "*Share", "*M mult-adds", "*GFLOP/s", "*MiB", "*Of roofline")
    most = max((group.share for group in groups), default=0.0)
    rows = [
        tag(
            "tr",
            tag("th", tag("span", group.name), tag("small", count(group.operators, "operator")), scope="row"),
            tag("td", bar(group, most), class_="strip-cell", data_label="Share"),
            cell("ms", milliseconds(group.us), "num"),
            cell("Share", f"{group.share:.1%}", "num"),
            *_figures(group),
        )
        for group in groups
    ]
    parts = [tag("div", table(names, rows[:_GROUPS_SHOWN]), class_="panel")]
    if rest := rows[_GROUPS_SHOWN:]:
        parts.append(folded(f"{len(rest)} more", tag("div", table(names, rest), class_="panel")))
    return tag("section", tag("h3", heading), tag("p", said, class_="aside"), *parts)


def _figures(group: Group) -> list[Markup]:
    return [
        cell("M mult-adds", millions(group.multiply_adds), "num"),
        cell("GFLOP/s", rate(group.gflops), "num"),
        cell("MiB", mebi(group.bytes), "num"),
        cell("Of roofline", percent(group.of_roofline), "num"),
    ]


def _operators(report: Profile) -> Markup:
    places = {row.name: place for place, row in enumerate(report.rows)}
    pairs = report.by_operator()
    names = (
        "*#",
        "Operator",
        "Module and line",
        "*ms",
        "*Share",
        "*M mult-adds",
        "*GFLOP/s",
        "*MiB",
        "*Of roofline",
    )
    rows = [_operator(place, row, group, places[row.name]) for place, (row, group) in enumerate(pairs, 1)]
    # What `page.js` looks for: a row that is "right" is hidden by the box.
    filters = tag(
        "div",
        tag("label", "Filter ", tag("input", type="search", placeholder="module, operator or line", class_="filter")),
        tag("label", tag("input", type="checkbox", class_="only"), f" below {_GOOD:.0%} of the roofline only"),
        tag("span", class_="found", role="status"),
        class_="controls",
    )  # fmt: skip
    return tag(
        "section",
        tag("h3", "Operators"),
        tag("p", f"The slowest first, {OPERATORS_RUN}.", class_="aside"),
        folded(f"All {count(pairs, 'operator')}", filters, tag("div", table(names, rows), class_="panel operators")),
    )  # fmt: skip


def _operator(place: int, row: OperatorTime, group: Group, index: int) -> Markup:
    fused = " + ".join(row.stands_for) or "moves a value"
    lines = [tag("span", where(row)), tag("small", tag("code", row.location or ""))]
    return tag(
        "tr",
        cell("Place", f"{place}", "num"),
        tag("th", tag("code", row.operator), tag("small", row.name), tag("small", fused), scope="row"),
        tag("td", *lines, data_label="Module"),
        cell("ms", milliseconds(group.us), "num"),
        cell("Share", f"{group.share:.1%}", "num"),
        *_figures(group),
        id=f"{_PREFIX}{index}",
        class_="right" if (group.of_roofline or 0) >= _GOOD else None,
    )


def _remarks(report: Profile) -> list[Markup]:
    whole = (
        "" if report.whole_us is None else f"A whole run took {milliseconds(report.whole_us)} ms with it. "
    )
    notes = [
        f"Timing every operator takes time itself. {whole}How long an inference takes is for cloformer bench to say.",
        "The profiler counts whole microseconds.",
        *report.notes,
    ]
    return [
        tag("section", tag("h3", "Notes"), tag("ul", *(tag("li", note) for note in notes))),
        environment(report.environment.to_json(), report.environment.versions),
    ]
