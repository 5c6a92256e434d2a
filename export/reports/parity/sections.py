"""The sections of a page about one report."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..shared.charts import Scale, legend
from ..shared.markup import Markup, tag
from ..shared.parts import cell, chip, fact_list, folded, table
from ..shared.words import count, decibels, number, times
from .charts import depth_chart, histogram_chart, strip
from .pictures import Histogram, Image
from .words import (
    by_name,
    by_severity,
    cautions,
    cliffs,
    costs,
    operator_counts,
    reasons,
    same_class,
    share_of_allowed,
    statements,
    steps,
)

if TYPE_CHECKING:
    from ...parity.report import OperatorResult, OutputResult, ParityReport

__all__ = ["divergence", "facts", "failures", "images", "operators", "outputs", "remarks", "spreads"]

_ROWS_SHOWN = 8  # of each output; the others are folded
_REASONS_SHOWN = 20
_LOSSES_SHOWN = 20
_PNG = b"\x89PNG\r\n\x1a\n"


def facts(report: ParityReport) -> Markup:
    how = f" ({report.arithmetic})" if report.arithmetic else ""
    found = {
        "Artifact": tag("code", report.artifact),
        "Run by": report.runner + how,
        "Compared with": report.reference,
        **({"Target": report.target} if report.target else {}),
        "Input": report.image_size,
        "Manifest": tag("code", report.manifest_sha256[:16], title=report.manifest_sha256),
    }
    return fact_list(found.items())


def divergence(report: ParityReport, first: OperatorResult, prefix: str) -> Markup:
    found = {item.node: item for item in report.operators}
    share = share_of_allowed(first)
    figures = {
        "Its own error": number(first.own_error),
        "Allowed": number(first.tolerance),
        "Times what is allowed": times(share),
        "Total error": number(first.total_error),
    }
    reads = [_read(name, found.get(name), prefix) for name in first.reads]
    inherited = sum(item.verdict == "inherited" for item in report.operators)
    others = sum(not item.passed for item in report.operators) - 1
    after = f"After it, {count(inherited, 'operator')} inherit the error" + (
        f" and {others} are wrong too." if others else "."
    )
    where = [tag("span", first.module or "the model itself"), tag("code", first.location or first.node)]
    fused = f"Fused with {', '.join(first.group[:-1])}." if len(first.group) > 1 else ""
    return tag(
        "section",
        tag("h3", "First divergence"),
        tag("p", tag("code", first.operator), " ", tag("a", first.node, href=f"#{prefix}{first.depth}"), class_="name"),
        tag("p", *where, class_="where"),
        tag("dl", *(tag("div", tag("dt", key), tag("dd", text)) for key, text in figures.items()), class_="figures"),
        *([tag("p", f"A published cliff of the Neural Engine gives {first.cliff}.")] if first.cliff else []),
        tag("p", f"Errors are over the value's largest magnitude, {number(first.largest)}, on {first.case}. {fused}", class_="aside"),
        tag("p", "It was computed from"),
        tag("ul", *reads or [tag("li", "the model's inputs and constants alone")]),
        tag("p", after),
        class_="divergence",
    )  # fmt: skip


def _read(name: str, item: OperatorResult | None, prefix: str) -> Markup:
    if item is None:
        return tag("li", tag("code", name), ": an input, or not compared")
    link = tag("a", tag("code", item.node), href=f"#{prefix}{item.depth}")
    text = f": {item.verdict}, own error {number(item.own_error)}, total {number(item.total_error)}"
    return tag("li", link, text)


def failures(report: ParityReport) -> Iterator[Markup]:
    found = reasons(report)
    if not found:
        return
    items = [tag("li", reason) for reason in found]
    parts = [tag("h3", "What fails"), tag("ul", *items[:_REASONS_SHOWN], class_="reasons")]
    if len(items) > _REASONS_SHOWN:
        rest = tag("ul", *items[_REASONS_SHOWN:], class_="reasons")
        parts.append(folded(f"{len(items) - _REASONS_SHOWN:,} more", rest))
    yield tag("section", *parts)


def outputs(report: ParityReport) -> Markup:
    if not report.outputs:
        return tag("section", tag("h3", "Outputs"), tag("p", "No output was compared.", class_="aside"))
    floors = [item.noise_floor.max_abs for item in report.outputs if item.noise_floor is not None]
    scale = Scale.of(
        [
            *(item.figures.max_abs for item in report.outputs),
            *(item.allowed for item in report.outputs),
            *floors,
        ]
    )
    classifier = any(item.top1 is not None for item in report.outputs)
    names: tuple[str, ...] = (
        "Input",
        "Error, logarithmic",
        "*Largest error",
        "*PyTorch float32",
        "*Allowed",
        "*SNR",
        "*Cosine",
    )
    names += (("Top-1",) if classifier else ()) + ("Verdict",)
    parts: list[Markup] = []
    for name, items in by_name(report.outputs).items():
        rows = [_output(item, scale, classifier) for item in sorted(items, key=by_severity)]
        parts.append(tag("h4", tag("code", name)))
        parts.append(tag("div", table(names, rows[:_ROWS_SHOWN]), class_="panel outputs"))
        if rest := rows[_ROWS_SHOWN:]:
            parts.append(
                folded(f"{count(rest, 'more input')}", tag("div", table(names, rest), class_="panel outputs"))
            )
    because = dict.fromkeys(item.tolerance.because for item in report.outputs)
    return tag(
        "section",
        tag("h3", "Outputs"),
        tag("p", "The largest absolute difference from the reference, in the output's own units, the input closest to what is allowed, or beyond it, first. PyTorch float32 is what the model itself loses in float32.", class_="aside"),
        legend(("error", "this artifact"), ("floor", "PyTorch float32"), ("allowed", "allowed")),
        *parts,
        *(tag("p", f"Why this much is allowed: {reason}.", class_="aside") for reason in because),
    )  # fmt: skip


def _output(item: OutputResult, scale: Scale, classifier: bool) -> Markup:
    floor = "" if item.noise_floor is None else number(item.noise_floor.max_abs)
    kind = tag("small", item.kind) if item.kind != item.case else ""
    cells = [
        tag("th", tag("span", item.case), kind, scope="row"),
        tag("td", strip(item, scale), class_="strip-cell", data_label="Error"),
        cell("Largest error", number(item.figures.max_abs), "num"),
        cell("PyTorch", floor, "num"),
        cell("Allowed", number(item.allowed), "num"),
        cell("SNR", decibels(item.figures.snr_db), "num"),
        cell("Cosine", f"{item.figures.cosine:.7f}", "num"),
        *([cell("Top-1", same_class(item))] if classifier else []),
        cell("Verdict", chip(item.passed)),
    ]
    return tag("tr", *cells, class_=None if item.passed else "wrong")


def spreads(errors: Sequence[Histogram]) -> Iterator[Markup]:
    if not errors:
        return
    figures = []
    for item in errors:
        rest = f"{count(item.values, 'value')}, {item.exact:,} without error"
        rest += f", {item.not_finite:,} not finite" if item.not_finite else ""
        words = tag("figcaption", tag("code", item.name), f" on {item.case}", tag("small", rest))
        figures.append(tag("figure", words, histogram_chart(item)))
    said = "How many values are how far off, over the reference's largest magnitude; the upright line is what is allowed."
    yield tag(
        "section",
        tag("h3", "How the errors are spread"),
        tag("p", said, class_="aside"),
        tag("div", *figures, class_="tiles"),
    )


def images(shown: Sequence[Image]) -> Iterator[Markup]:
    if not shown:
        return
    figures = []
    for item in shown:
        if not item.png.startswith(_PNG):
            raise ValueError(f"the image {item.name} is no PNG")
        data = f"data:image/png;base64,{base64.b64encode(item.png).decode()}"
        said = f"error {number(item.figures.max_abs)}, {decibels(item.figures.snr_db)}"
        lines = [
            tag("span", item.name),
            tag("small", said),
            *([tag("small", item.note)] if item.note else []),
        ]
        figures.append(tag("figure", tag("img", src=data, alt=item.name), tag("figcaption", *lines)))
    yield tag("section", tag("h3", "Worst images"), tag("div", *figures, class_="thumbnails"))


def operators(report: ParityReport, prefix: str) -> Iterator[Markup]:
    if not report.operators:
        yield tag("section", tag("h3", "Operators"), tag("p", "Operators were not compared.", class_="aside"))
        return
    entries = [("own", "own error"), ("total", "total error"), ("level", "allowed")]
    if report.first_divergence is not None:
        entries.append(("wrong", "wrong here"))
    said = (
        f"{operator_counts(report)}. Own error is what an operator adds, given what it was actually given; total error "
        "is how far its value is from the reference. Both are over the value's largest magnitude."
    )
    ordered = sorted(report.operators, key=lambda item: item.depth)
    filters = tag(
        "div",
        tag("label", "Filter ", tag("input", type="search", placeholder="module, operator or line", class_="filter")),
        tag("label", tag("input", type="checkbox", class_="only"), " not right only"),
        tag("span", class_="found", role="status"),
        class_="controls",
    )  # fmt: skip
    names = ("*#", "Operator", "Module and line", "*Own error", "*Allowed", "*Total", "Input", "Verdict")
    rows = [_operator(place, item, prefix) for place, item in enumerate(ordered, 1)]
    hint = "Point at the chart, touch it, or use the arrow keys on it: every operator says its name and its errors."
    yield tag(
        "section",
        tag("h3", "Error by depth"),
        tag("p", said, class_="aside"),
        legend(*entries),
        tag("figure", depth_chart(ordered, prefix), tag("p", hint, class_="readout", role="status"), class_="scan panel"),
        folded(f"All {count(ordered, 'result')}{f', with {steps(report):,} more that are fused into one of them' if steps(report) else ''}", filters, tag("div", table(names, rows), class_="panel operators")),
    )  # fmt: skip


def _operator(place: int, item: OperatorResult, prefix: str) -> Markup:
    where = [tag("span", item.module or "the model itself"), tag("small", tag("code", item.location))]
    return tag(
        "tr",
        cell("Place", f"{place}", "num"),
        tag("th", tag("code", item.operator), tag("small", item.node), scope="row"),
        tag("td", *where, data_label="Module"),
        cell("Own error", number(item.own_error), "num"),
        cell("Allowed", number(item.tolerance), "num"),
        cell("Total", number(item.total_error), "num"),
        cell("Input", item.case),
        cell("Verdict", chip(item.passed, item.verdict)),
        id=f"{prefix}{item.depth}",
        class_=item.verdict.partition(" ")[0],
    )


def _losses(report: ParityReport) -> Iterator[Markup]:
    """Where the loss arises."""
    if not report.operator_costs:
        return
    shown = report.operator_costs[:_LOSSES_SHOWN]
    rest = len(report.operator_costs) - len(shown)
    said = "What rounding its numbers adds to the outputs' noise, to first order, and its value beside the one before numbers are made small."
    if rest:
        said += f" The {rest:,} with smaller shares are in --json."
    rows = [
        tag(
            "tr",
            tag("th", tag("code", item.operator), tag("small", item.node), scope="row"),
            tag("td", tag("span", item.module or "the model itself"), tag("small", tag("code", item.location)), data_label="Module"),
            cell("Adds", "" if item.share is None else f"{item.share:.1%}", "num"),
            cell("SNR", decibels(item.snr_db), "num"),
        )
        for item in shown
    ]  # fmt: skip
    yield tag("p", said, class_="aside")
    yield tag("div", table(("Operator", "Module and line", "*Adds", "*SNR"), rows), class_="panel")


def remarks(report: ParityReport) -> Iterator[Markup]:
    lost = [tag("li", line) for line in costs(report)]
    if lost:
        yield tag("section", tag("h3", "What it costs"), tag("ul", *lost), *_losses(report))
    said = [tag("li", line) for line in statements(report)]
    if said:
        yield tag("section", tag("h3", "What the artifact says"), tag("ul", *said))
    met = [tag("li", line) for line in cliffs(report)]
    if met:
        yield tag("section", tag("h3", "Published cliffs of the Neural Engine, estimated"), tag("ul", *met))
    notes = [*report.notes, *cautions(report)]
    if notes:
        yield tag("section", tag("h3", "Notes"), tag("ul", *(tag("li", note) for note in notes)))
    yield folded("Environment", fact_list(report.environment.items()))
