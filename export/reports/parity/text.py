"""A parity report for a terminal: plain text, 110 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..shared.words import count, decibels, number, plain, tail, times
from .words import (
    LOWER_BOUND,
    by_name,
    by_severity,
    cautions,
    compared,
    operator_counts,
    reasons,
    same_class,
    share_of_allowed,
    statements,
    title,
    why,
    worst_first,
)

if TYPE_CHECKING:
    from ...parity.report import OperatorResult, OutputResult, ParityReport

__all__ = ["render", "render_bisect"]

_WIDTH = 110
_OUTPUTS_SHOWN = 12  # of each output: all that failed and the worst of the rest
_OPERATORS_SHOWN = 5
_FAILURES_SHOWN = 10


def render(report: ParityReport) -> str:
    """Everything a person needs at once; what is cut is counted."""
    return "\n".join([*_head(report), "", *_outputs(report), "", *_operators(report), *_end(report)])


def render_bisect(report: ParityReport) -> str:
    """All about the first operator that is wrong in itself."""
    first = report.first_divergence
    if first is None:
        if not report.operators:
            return "bisect: operators were not compared, so none can be named"
        return f"bisect: none of {compared(report)} is wrong in itself"
    return "\n".join(_bisected(report, first))


def _head(report: ParityReport) -> Iterator[str]:
    yield from _wrapped(f"{'PASS' if report.passed else 'FAIL'}  {title(report)}, {plain(report.target)}", 6)
    how = f" ({plain(report.arithmetic)})" if report.arithmetic else ""
    yield from _field("artifact", f"{report.artifact}, manifest {report.manifest_sha256[:16]}")
    yield from _field("run by", report.runner + how)
    yield from _field("compared", f"with {report.reference}")
    if not report.is_device_runtime:
        yield from _field("", f"{report.runner} {LOWER_BOUND}")
    for line in statements(report):
        yield from _field("says", line)
    for note in (*report.notes, *cautions(report)):
        yield from _field("note", note)


def _outputs(report: ParityReport) -> Iterator[str]:
    if not report.outputs:
        yield "outputs: none was compared"
        return
    top1 = f"{'top-1':>9}" if any(item.top1 is not None for item in report.outputs) else ""
    yield (
        f"{'output':<17}{'input':<20}{'max error':>10}{'PyTorch f32':>12}{'allowed':>10}"
        f"{'of largest':>12}{'SNR':>8}{'cosine':>11}{top1}"
    )
    for items in by_name(report.outputs).values():
        ordered = sorted(items, key=by_severity)
        shown = ordered[:_OUTPUTS_SHOWN]
        for item in shown:
            yield from _output(item)
        if rest := ordered[_OUTPUTS_SHOWN:]:
            failing = sum(not item.passed for item in rest)
            what = f"{failing} of them fail" if failing else "all further within tolerance"
            yield f"  and {count(rest, 'more input')}, {what}"
    yield from textwrap.wrap(
        "Errors are the largest absolute difference, in the output's units; PyTorch f32 is the model's own error in "
        "float32; 'of largest' is the error over the reference's largest magnitude.",
        _WIDTH,
    )


def _output(item: OutputResult) -> Iterator[str]:
    floor = "" if item.noise_floor is None else number(item.noise_floor.max_abs)
    figures = item.figures
    line = (
        f"{tail(item.name, 16):<17}{tail(item.case, 19):<20}{number(figures.max_abs):>10}{floor:>12}"
        f"{number(item.allowed):>10}{number(figures.max_rel):>12}{decibels(figures.snr_db):>8}{figures.cosine:>11.7f}"
        f"{same_class(item):>9}"
    )
    yield line.rstrip()
    if item.reason is not None:
        yield from _wrapped(f"  FAIL  {plain(item.reason)}", 8)


def _operators(report: ParityReport) -> Iterator[str]:
    yield from _wrapped(operator_counts(report), 2)
    if not report.operators:
        return
    first = report.first_divergence
    if first is not None:
        yield from _wrapped(f"  FIRST DIVERGENCE  {plain(str(first))}", 20)
        yield from _wrapped(" " * 20 + why(first), 20)
        more = sum(not item.passed for item in report.operators) - 1
        if more:
            yield f"{'':20}and {count(more, 'operator')} after it, wrong in {'itself' if more == 1 else 'themselves'}"
    yield f"  {'own error':>10}{'allowed':>10}{'of allowed':>12}{'total':>10}  worst operators, over a value's largest magnitude"
    for item in worst_first(report)[:_OPERATORS_SHOWN]:
        share = times(share_of_allowed(item)) if item.tolerance > 0 else "-"
        operator = tail(item.operator, 40)
        where = f"{operator} {tail(item.module or item.node, 63 - len(operator))}"
        yield (
            f"  {number(item.own_error):>10}{number(item.tolerance):>10}{share:>12}{number(item.total_error):>10}  {where}"
        )


def _end(report: ParityReport) -> Iterator[str]:
    yield ""
    if report.passed:
        outputs = count(len(by_name(report.outputs)), "output")
        inputs = count(len({item.case for item in report.outputs}), "input")
        yield from _wrapped(f"PASS: {outputs} on {inputs} within tolerance; {operator_counts(report)}", 6)
        return
    found = reasons(report)
    yield f"FAIL: {count(found, 'failure')}"
    for reason in found[:_FAILURES_SHOWN]:
        yield from _wrapped(f"  - {reason}", 4)
    if len(found) > _FAILURES_SHOWN:
        yield f"  and {len(found) - _FAILURES_SHOWN:,} more (--json, --junit and --html have them all)"


def _bisected(report: ParityReport, first: OperatorResult) -> Iterator[str]:
    yield from _wrapped(f"first divergence: {plain(first.operator)} {plain(first.node)}", 18)
    yield from _field("module", first.module or "the model itself")
    yield from _field("line", first.location or "not known")
    yield from _field("value", f"{first.value} in the written model")
    if len(first.group) > 1:
        yield from _field("fused", f"{', '.join(first.group[:-1])}: the written model gives no value between")
    place = sum(item.depth < first.depth for item in report.operators) + 1
    yield from _field("place", f"{place} of {count(report.operators, 'compared result')}, on {first.case}")
    share = share_of_allowed(first)
    more = f", {times(share)} times as much" if share < float("inf") else ""
    largest = f"of its largest magnitude, {number(first.largest)}"
    yield from _field(
        "own error", f"{number(first.own_error)} {largest}; {number(first.tolerance)} is allowed{more}"
    )
    yield from _field("total", f"{number(first.total_error)}: its own and what its inputs brought")
    yield "  inputs      own error   total error   allowed    verdict"
    found = {item.node: item for item in report.operators}
    for name in first.reads:
        yield _input(name, found.get(name))
    if not first.reads:
        yield "    the model's inputs and constants alone"
    wrong = any(name in found and found[name].verdict != "right" for name in first.reads)
    before = "on inputs that were already off" if wrong else "on inputs that are right"
    yield from _field("so", f"{first.verdict}: it {first.what}, {before}")
    later = [item for item in report.operators if item.depth > first.depth]
    inherited = sum(item.verdict == "inherited" for item in later)
    others = [item for item in later if not item.passed]
    yield from _field(
        "after it", f"{count(inherited, 'operator')} right on inputs already off, {len(others)} wrong"
    )
    for item in others[:_OPERATORS_SHOWN]:
        yield from _wrapped(f"    {plain(str(item))}: own error {number(item.own_error)}", 6)


def _input(name: str, item: OperatorResult | None) -> str:
    if item is None:
        return f"    {tail(name, 60)}: an input, or not compared"
    return (
        f"    {'':>8}{number(item.own_error):>11}{number(item.total_error):>14}{number(item.tolerance):>10}    "
        f"{item.verdict}: {tail(f'{item.operator} {item.node}', 45)}"
    )


def _field(name: str, text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        f"  {name:<10}  {plain(text)}", _WIDTH, subsequent_indent=" " * 14, drop_whitespace=True
    )


def _wrapped(text: str, indent: int) -> Iterator[str]:
    yield from textwrap.wrap(text, _WIDTH, subsequent_indent=" " * indent)
