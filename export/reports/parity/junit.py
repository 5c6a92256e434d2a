"""Parity reports as JUnit XML, which every CI shows: a suite per report, a case per output and operator group."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..shared.words import count, decibels, number, plain
from .words import (
    bound,
    by_name,
    by_severity,
    cliffs,
    compared,
    costs,
    false_statement,
    group_of,
    same_class,
    title,
    why,
    worst_first,
)

if TYPE_CHECKING:
    from ...parity.report import OperatorResult, OutputResult, ParityReport

__all__ = ["junit_xml"]

_SHOWN = 20


@dataclass(frozen=True)
class _Case:
    """One testcase. ``failures`` are empty if it passed; ``text`` are its figures."""

    kind: str
    name: str
    failures: Sequence[str]
    text: str = ""


def junit_xml(reports: Sequence[ParityReport]) -> str:
    """The document. What could not be compared is a failure, and so is a comparison of nothing."""
    root = ElementTree.Element("testsuites", name="cloformer parity")
    suites = [_suite(report) for report in reports]
    if not suites:
        suites = [_element("parity", {}, "parity", [_Case("artifacts", "any", ["no artifact was compared"])])]
    root.extend(suites)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(report: ParityReport) -> ElementTree.Element:
    properties = {
        "artifact": report.artifact,
        "manifest_sha256": report.manifest_sha256,
        "model": report.model,
        "format": report.format,
        "precision": report.precision,
        "target": report.target,
        "image_size": report.image_size,
        "runner": report.runner,
        "arithmetic": report.arithmetic,
        "reference": report.reference,
        "operators_compared": compared(report),
        **{f"environment.{name}": value for name, value in report.environment.items()},
        **{f"note.{index}": note for index, note in enumerate(report.notes, 1)},
        **{f"cliff.{index}": line for index, line in enumerate(cliffs(report), 1)},
    }
    if not report.is_device_runtime:
        properties["lower_bound"] = bound(report)
    place = ".".join(part.replace(".", "_") for part in (report.format, report.precision, report.runner))
    name = f"{title(report)}, {report.artifact} by {report.runner}"
    return _element(name, properties, f"parity.{place}", list(_cases(report)))


def _cases(report: ParityReport) -> Iterator[_Case]:
    if not report.outputs:
        yield _Case("outputs", "any", ["no output was compared"])
    for name, outputs in by_name(report.outputs).items():
        ordered = sorted(outputs, key=by_severity)
        failures = [f"{item.case}: {item.reason}" for item in ordered if not item.passed]
        yield _Case("outputs", name, failures, "\n".join(_output(item) for item in ordered))
    groups: dict[str, list[OperatorResult]] = {}
    for operator in worst_first(report):
        groups.setdefault(group_of(operator), []).append(operator)
    for name in sorted(groups, key=lambda name: min(item.depth for item in groups[name])):
        yield _group(name, groups[name])
    for what in report.not_compared:
        yield _Case("not_compared", what, [f"could not be compared: {what}"])
    false = report.false_statements
    for item in report.statements:
        failures = [plain(false_statement(item))] if item in false else []
        yield _Case("statements", item.about, failures, plain(str(item)))
    for cost, words in zip(report.costs, costs(report), strict=True):
        yield _Case("costs", cost.output, [] if cost.problem is None else [cost.problem], words)


def _group(name: str, operators: Sequence[OperatorResult]) -> _Case:
    wrong = sorted((item for item in operators if not item.passed), key=lambda item: item.depth)
    inherited = sum(item.verdict == "inherited" for item in operators)
    lines = [
        f"{count(operators, 'result')} of operators compared, {len(wrong)} wrong here, {inherited} on inputs already off"
    ]
    lines += [f"{item}: {why(item)}" for item in operators[:_SHOWN]]
    if len(operators) > _SHOWN:
        lines.append(f"and {len(operators) - _SHOWN} more, closer to what is allowed or within it")
    return _Case("operators", name, [f"{item} {why(item)}" for item in wrong], "\n".join(map(plain, lines)))


def _output(item: OutputResult) -> str:
    floor = "" if item.noise_floor is None else f", PyTorch float32 {number(item.noise_floor.max_abs)}"
    first = f", first class {same_class(item)}" if item.top1 is not None else ""
    return plain(
        f"{item.case} ({item.kind}): largest error {number(item.figures.max_abs)}, {number(item.allowed)} allowed"
        f"{floor}, {decibels(item.figures.snr_db)}, cosine {item.figures.cosine:.8f}{first}"
    )


def _element(
    name: str, properties: dict[str, str], place: str, cases: Sequence[_Case]
) -> ElementTree.Element:
    failing = sum(bool(case.failures) for case in cases)
    suite = ElementTree.Element(
        "testsuite", name=plain(name), tests=str(len(cases)), failures=str(failing), errors="0", skipped="0"
    )
    listed = ElementTree.SubElement(suite, "properties")
    for key, value in properties.items():
        ElementTree.SubElement(listed, "property", name=plain(key), value=plain(value))
    for case in cases:
        element = ElementTree.SubElement(
            suite, "testcase", classname=plain(f"{place}.{case.kind}"), name=plain(case.name) or "unnamed"
        )
        if case.failures:
            lines = [plain(line) for line in case.failures]
            failure = ElementTree.SubElement(element, "failure", type="parity", message=lines[0])
            failure.text = "\n".join(lines)
        if case.text:
            ElementTree.SubElement(element, "system-out").text = case.text
    return suite
