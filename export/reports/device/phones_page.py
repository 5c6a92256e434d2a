"""Devices' reports of one artifact as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...bundle.boundaries import boundaries
from ...bundle.compute_plan import title_of
from ..shared.charts import legend, percent
from ..shared.file import write_report
from ..shared.markup import Markup, tag
from ..shared.page import page
from ..shared.parts import badge, cell, chip, folded, table
from ..shared.words import count
from .phones import about, error_words, latency_of, milliseconds, vector_names, vector_of, verdict_words
from .plan import boundary_words, share_words
from .report import coarse_sentences

if TYPE_CHECKING:
    from ...bundle.compute_plan import ComputePlan
    from ...bundle.device_report import DeviceReport
    from ...source.origin import Origin

__all__ = ["phones_page", "write_phones_page"]

_Locate = Callable[[str], "Origin | None"]
_MOST = 200  # boundaries of a device that are listed
_STRIP = 22  # pixels


def write_phones_page(
    reports: Sequence[DeviceReport], short: Sequence[str | None], name: str, locate: _Locate, path: Path
) -> None:
    """Write the page, or nothing; :class:`InputError` if the place cannot be written."""
    write_report(path, phones_page(reports, short, name, locate))


def phones_page(
    reports: Sequence[DeviceReport], short: Sequence[str | None], name: str, locate: _Locate
) -> str:
    """A row for each device, the errors of each vector, and where each ran the operators. ``name`` is the artifact's, and ``short``
    is why too little ran on the accelerator, for each."""
    passed = sum(report.passed and why is None for report, why in zip(reports, short, strict=True))
    said = f"{passed} of {count(reports, 'report')} hold"
    header = [
        tag("p", "cloformer import-device-report", class_="eyebrow"),
        tag("h1", badge(passed == len(reports)), said),
        tag(
            "p",
            f"What tests on devices found of {name}, judged by the artifact's own tolerances.",
            class_="lede",
        ),
        tag("p", "A number is of the device that it stands beside, and of no other.", class_="aside"),
        *(tag("p", f"{sentence}.", class_="aside") for sentence in coarse_sentences(reports)),
        tag("div", _devices(reports, short), class_="panel"),
    ]
    section = tag("section", _errors(reports), *_where(reports, locate), class_="report")
    return page(
        f"{name}: {said}", header, [section], "Every device judged by the kit that the artifact carries."
    )


def _devices(reports: Sequence[DeviceReport], short: Sequence[str | None]) -> Markup:
    heads = ["Device", "Runtime", "Verdict", "On the accelerator", "*Partitions", "*Median, ms", "*p90, ms"]
    rows = [_device(place, *pair) for place, pair in enumerate(zip(reports, short, strict=True), 1)]
    return table(heads, rows)


def _device(place: int, report: DeviceReport, short: str | None) -> Markup:
    plan, times, device = report.plan, latency_of(report), report.document["device"]
    return tag(
        "tr",
        tag(
            "th",
            tag("b", f"{place}"),
            report.name,
            tag("small", f"{device['os']}, {device['cpu']}, {device['app_build']} build"),
            scope="row",
        ),
        cell("Runtime", about(report)),
        cell("Verdict", chip(report.passed, verdict_words(report))),
        cell("On the accelerator", share_words(plan) if short is None else chip(False, short)),
        cell("Partitions", f"{len(plan.stretches):,}" if plan.operators else "-", "num"),
        cell("Median, ms", milliseconds(times.median if times else None), "num"),
        cell("p90, ms", milliseconds(times.p90 if times else None), "num"),
    )


def _errors(reports: Sequence[DeviceReport]) -> Markup:
    """By vector and device."""
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            *(_error(f"{place}", report, name) for place, report in enumerate(reports, 1)),
        )
        for name in vector_names(reports)
    ]
    return tag(
        "section",
        tag("h3", "Errors by vector"),
        tag(
            "p",
            "The largest error of an output as a share of its largest expected magnitude.",
            class_="aside",
        ),
        tag(
            "div",
            table(["Vector", *(f"*{place + 1}" for place in range(len(reports)))], rows),
            class_="panel",
        ),
    )


def _error(label: str, report: DeviceReport, name: str) -> Markup:
    vector = vector_of(report, name)
    said = error_words(vector)
    is_good = vector is not None and vector.passed
    return cell(label, said if is_good else chip(False, said.removesuffix(" FAIL")), "num")


def _where(reports: Sequence[DeviceReport], locate: _Locate) -> Iterator[Markup]:
    """A strip for each device, from the first operator to the last, and what it leaves the accelerator for."""
    planned = [(place, report) for place, report in enumerate(reports, 1) if report.plan.operators]
    if not planned:
        return
    yield tag(
        "section",
        tag("h3", "Where it ran"),
        tag("p", "From the first operator to the last, each as wide as the others.", class_="aside"),
        legend(("half", "on the accelerator that was asked for"), ("dead", "on anything else")),
        *(_strip(place, report) for place, report in planned),
    )
    for place, report in planned:
        if lines := list(_absences(report.plan, locate)):
            yield folded(f"{place}: where it left {title_of(report.plan.accelerator)}", tag("ul", *lines))


def _strip(place: int, report: DeviceReport) -> Markup:
    plan = report.plan
    total = len(plan.operators)
    bars = [
        tag(
            "rect",
            tag(
                "title",
                f"{title_of(item.device)}: {count(item.count, 'operator')} from {plan.operators[item.first].name}",
            ),
            x=percent(item.first / total),
            width=percent(item.count / total),
            y=0,
            height=_STRIP,
            class_="half" if item.device is not None and item.device == plan.accelerator else "dead",
        )
        for item in plan.stretches
    ]
    label = f"{place}: {share_words(plan)}"
    drawn = tag("svg", *bars, width="100%", height=_STRIP, role="img", aria_label=label)
    return tag("figure", tag("figcaption", label, class_="aside"), drawn)


def _absences(plan: ComputePlan, locate: _Locate) -> Iterator[Markup]:
    found = boundaries(plan, locate)
    for item in found[:_MOST]:
        yield tag("li", "; ".join(line.strip() for line in boundary_words(plan, item)))
    if len(found) > _MOST:
        yield tag("li", f"and {len(found) - _MOST:,} more, which --json has")
