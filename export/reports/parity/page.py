"""Parity reports as one page: what holds, what fails, and where the first operator goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..shared.markup import Markup, tag
from ..shared.page import page
from ..shared.parts import badge, cell, chip, table
from ..shared.words import count, number
from .pictures import Histogram, Image, Pictures
from .sections import divergence, facts, failures, images, operators, outputs, remarks, spreads
from .words import bound, largest_error, largest_share, passed, steps, title

if TYPE_CHECKING:
    from ...parity.report import ParityReport

__all__ = ["Histogram", "Image", "Pictures", "html_page"]


def html_page(reports: Sequence[ParityReport], pictures: Sequence[Pictures] = ()) -> str:
    """The page. ``pictures`` has one entry per report, in the same order, or none at all."""
    if pictures and len(pictures) != len(reports):
        raise ValueError(f"{count(pictures, 'picture')} given for {count(reports, 'report')}")
    beside = pictures or [Pictures()] * len(reports)
    holds = passed(reports)
    sections = [
        _report(index, report, extra)
        for index, (report, extra) in enumerate(zip(reports, beside, strict=True), 1)
    ]
    return page(
        f"Parity {'holds' if holds else 'FAILS'}: {', '.join(map(title, reports)) or 'nothing compared'}",
        _header(reports),
        sections,
        "Numbers depend on the machine and the runtime they were measured with; see Environment.",
        "holds" if holds else "fails",
    )


def _header(reports: Sequence[ParityReport]) -> list[Markup]:
    holds, right = passed(reports), sum(report.passed for report in reports)
    if not reports:
        said = "No artifact was compared, so nothing is proved."
    elif holds:
        said = f"{'The artifact computes' if right == 1 else f'All {right} artifacts compute'} what the PyTorch model does."
    elif right:
        said = f"{len(reports) - right} of {len(reports)} artifacts are not shown to compute what the PyTorch model does."
    else:
        said = f"{'The artifact is' if len(reports) == 1 else f'None of {len(reports)} artifacts is'} {'not ' if len(reports) == 1 else ''}shown to compute what the PyTorch model does."
    verdict = tag("h1", badge(holds), f"Parity {'holds' if holds else 'fails'}")
    parts = [tag("p", "cloformer parity", class_="eyebrow"), verdict, tag("p", said, class_="lede")]
    if len(reports) > 1:
        parts.append(_overview(reports))
    return parts


def _overview(reports: Sequence[ParityReport]) -> Markup:
    rows = []
    for index, report in enumerate(reports, 1):
        link = tag("a", title(report), href=f"#r{index}")
        error = number(largest_error(report.outputs)) if report.outputs else "none compared"
        rows.append(
            tag(
                "tr",
                tag("th", link, scope="row"),
                cell("Run by", report.runner),
                cell("Largest error", error, "num"),
                cell("Of allowed", largest_share(report.outputs) if report.outputs else "", "num"),
                cell("Operators", _short_counts(report), "num"),
                cell("Verdict", chip(report.passed)),
            )
        )
    names = ("Artifact", "Run by", "*Largest error", "*Of allowed", "*Operators", "Verdict")
    return tag("div", table(names, rows), class_="panel")


def _short_counts(report: ParityReport) -> str:
    wrong = sum(not item.passed for item in report.operators)
    if not report.operators:
        return "not compared"
    total = len(report.operators) + steps(report)
    return f"{count(total, 'result')}, {wrong:,} wrong" if wrong else f"{count(total, 'result')}, none wrong"


def _report(index: int, report: ParityReport, extra: Pictures) -> Markup:
    prefix = f"r{index}-op"
    parts = [
        tag("div", tag("h2", title(report)), chip(report.passed), class_="title"),
        facts(report),
        *([] if report.is_device_runtime else [tag("p", f"{bound(report)}.", class_="aside")]),
        *([] if report.first_divergence is None else [divergence(report, report.first_divergence, prefix)]),
        *failures(report),
        outputs(report),
        *spreads(extra.errors),
        *images(extra.images),
        *operators(report, prefix),
        *remarks(report),
    ]
    return tag("section", *parts, id=f"r{index}", class_="report")
