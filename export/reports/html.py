"""Parity reports as one page that needs nothing else: no file, no font, no request, and no script to be read.

All text goes through :mod:`.markup`, and the page's own policy lets no script or style run but those of
``page.js`` and ``page.css``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .markup import Markup, tag
from .parts import cell, chip, table
from .pictures import Histogram, Image, Pictures
from .sections import divergence, facts, failures, images, operators, outputs, remarks, spreads
from .words import LOWER_BOUND, by_severity, number, passed, title

if TYPE_CHECKING:
    from ..parity.report import ParityReport

__all__ = ["Histogram", "Image", "Pictures", "html_page"]


def html_page(reports: Sequence[ParityReport], pictures: Sequence[Pictures] = ()) -> str:
    """The page. ``pictures`` has one entry per report, in the same order, or none at all."""
    if pictures and len(pictures) != len(reports):
        raise ValueError(f"pictures for {len(pictures)} reports are given, and there are {len(reports)}")
    beside = pictures or [Pictures()] * len(reports)
    here = Path(__file__).parent
    style, script = ((here / name).read_text("utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    holds = passed(reports)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag(
            "title",
            f"Parity {'holds' if holds else 'FAILS'}: {', '.join(map(title, reports)) or 'nothing compared'}",
        ),
        tag("link", rel="icon", href="data:,"),
        tag("style", Markup(style)),
    )
    sections = [
        _report(index, report, extra)
        for index, (report, extra) in enumerate(zip(reports, beside, strict=True), 1)
    ]
    body = tag(
        "body", _header(reports), tag("main", *sections), _footer(), tag("script", Markup(script)),
        class_="holds" if holds else "fails",
    )  # fmt: skip
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _header(reports: Sequence[ParityReport]) -> Markup:
    holds, right = passed(reports), sum(report.passed for report in reports)
    if not reports:
        said = "No artifact was compared, so nothing is proved."
    elif holds:
        said = f"{'The artifact computes' if right == 1 else f'All {right} artifacts compute'} what the PyTorch model does."
    elif right:
        said = f"{len(reports) - right} of {len(reports)} artifacts are not shown to compute what the PyTorch model does."
    else:
        said = f"{'The artifact is' if len(reports) == 1 else f'None of {len(reports)} artifacts is'} {'not ' if len(reports) == 1 else ''}shown to compute what the PyTorch model does."
    verdict = tag("h1", _badge(holds), f"Parity {'holds' if holds else 'fails'}")
    parts = [tag("p", "cloformer parity", class_="eyebrow"), verdict, tag("p", said, class_="lede")]
    if len(reports) > 1:
        parts.append(_overview(reports))
    return tag("header", *parts)


def _badge(holds: bool) -> Markup:
    """A tick or a cross: the verdict does not hang on its colour."""
    path = "M5 12.5l4.5 4.5L19 7.5" if holds else "M6.5 6.5l11 11M17.5 6.5l-11 11"
    drawn = tag("svg", tag("path", d=path), viewBox="0 0 24 24", aria_hidden="true")
    return tag("span", drawn, class_="badge" if holds else "badge bad")


def _overview(reports: Sequence[ParityReport]) -> Markup:
    rows = []
    for index, report in enumerate(reports, 1):
        worst = min(report.outputs, key=by_severity, default=None)
        link = tag("a", title(report), href=f"#r{index}")
        error = "none compared" if worst is None else number(worst.figures.max_abs)
        rows.append(
            tag(
                "tr",
                tag("th", link, scope="row"),
                cell("Run by", report.runner),
                cell("Largest error", error, "num"),
                cell("Allowed", "" if worst is None else number(worst.allowed), "num"),
                cell("Operators", _short_counts(report), "num"),
                cell("Verdict", chip(report.passed)),
            )
        )
    names = ("Artifact", "Run by", "*Largest error", "*Allowed", "*Operators", "Verdict")
    return tag("div", table(names, rows), class_="panel")


def _short_counts(report: ParityReport) -> str:
    wrong = sum(not item.passed for item in report.operators)
    if not report.operators:
        return "not compared"
    return f"{len(report.operators):,}, {wrong:,} wrong" if wrong else f"{len(report.operators):,} right"


def _report(index: int, report: ParityReport, extra: Pictures) -> Markup:
    prefix = f"r{index}-op"
    parts = [
        tag("div", tag("h2", title(report)), chip(report.passed), class_="title"),
        facts(report),
        *([] if report.is_device_runtime else [tag("p", f"{report.runner} {LOWER_BOUND}.", class_="aside")]),
        *([] if report.first_divergence is None else [divergence(report, report.first_divergence, prefix)]),
        *failures(report),
        outputs(report),
        *spreads(extra.errors),
        *images(extra.images),
        *operators(report, prefix),
        *remarks(report),
    ]
    return tag("section", *parts, id=f"r{index}", class_="report")


def _footer() -> Markup:
    return tag(
        "footer",
        tag("p", "Numbers depend on the machine and the runtime they were measured with; see Environment."),
    )
