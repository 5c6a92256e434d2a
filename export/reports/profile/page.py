"""A profile as one page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...latency.placed import OPERATORS_RUN
from ...latency.profile_report import MEASURED_ON
from ..shared.file import write_report
from ..shared.markup import Markup, tag
from ..shared.page import page
from ..shared.parts import doubts, environment, fact_list
from ..shared.words import count, loads, plain
from .chart import roofline_drawing
from .listing import millions
from .tables import Tables
from .text import (
    ABOVE_ALL,
    above_all,
    how,
    measured_rates,
    mebi,
    milliseconds,
    percent,
    rate,
)

if TYPE_CHECKING:
    from ...latency.profile_report import Group, Profile

__all__ = ["profile_page", "write_page"]

_GOOD = 0.5  # of the roofline, from which on an operator has little left to win
_PREFIX = "op"


def _figures(group: Group) -> tuple[str, ...]:
    return (
        milliseconds(group.us),
        f"{group.share:.1%}",
        millions(group.multiply_adds),
        rate(group.gflops),
        mebi(group.bytes),
        percent(group.of_roofline),
    )


_TABLES = Tables(
    ("ms", "Share", "M mult-adds", "GFLOP/s", "MiB", "Of roofline"),
    _figures,
    "the time",
    lambda group: f"{milliseconds(group.us)} ms",
    _PREFIX,
    f"below {_GOOD:.0%} of the roofline only",
    lambda group: (group.of_roofline or 0) >= _GOOD,
)


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
        _TABLES.groups(
            "Time by module", f"PyTorch modules, to depth {depth}.", "Module", report.by_module(depth)
        ),
        _TABLES.groups("Time by type of operator", f"Operators {OPERATORS_RUN}.", "Type", report.by_type()),
        _TABLES.operators("The slowest first", report.rows, report.by_operator()),
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
        tag("div", roofline_drawing(report, _PREFIX).svg(), class_="panel"),
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
