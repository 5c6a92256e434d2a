"""A parity report for a terminal: plain text, as wide as it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloformer.io.output import width

from ..shared.table import Column, Fitted, fitted
from ..shared.words import count, decibels, number, plain, tail, times, wrapped
from .words import (
    bound,
    by_name,
    by_severity,
    cautions,
    cliffs,
    compared,
    costs,
    operator_counts,
    reasons,
    same_class,
    share_of_allowed,
    statements,
    title,
    where_lost,
    why,
    worst_first,
)

if TYPE_CHECKING:
    from ...parity.report import OperatorResult, OutputResult, ParityReport

__all__ = ["render", "render_bisect"]

_NAMES, _LEAST_NAMES = 37, 28  # columns of the output and the input together
_FIGURES = (
    Column("max error", 10, 0), Column("PyTorch f32", 12, 3), Column("allowed", 10, 0), Column("of largest", 12, 2),
    Column("SNR", 8, 4), Column("cosine", 11, 5), Column("top-1", 9, 1),
)  # fmt: skip
_SAID = {
    "max error": "Errors are the largest absolute difference, in the output's units",
    "PyTorch f32": "PyTorch f32 is the model's own error in float32",
    "of largest": "'of largest' is the error over the reference's largest magnitude",
}
_OUTPUTS_SHOWN = 12  # of each output: all that failed and the worst of the rest
_OPERATORS_SHOWN = 5
_FAILURES_SHOWN = 10
_CLIFFS_SHOWN = 8


def render(report: ParityReport) -> str:
    """Everything a person needs at once; what is cut is counted."""
    return "\n".join([*_head(report), "", *_outputs(report), "", *_operators(report), *_end(report)])


def render_bisect(report: ParityReport) -> str:
    """All about the first operator that is wrong in itself."""
    first = report.first_divergence
    if first is None:
        if not report.operators:
            return "bisect: operators were not compared, so none can be named"
        return "; ".join([f"bisect: none of {compared(report)} is wrong in itself", *_loss(report)])
    return "\n".join(_bisected(report, first))


def _loss(report: ParityReport) -> list[str]:
    return [] if report.first_loss is None else [plain(report.first_loss.lost)]


def _head(report: ParityReport) -> Iterator[str]:
    # A format's options may all be the usual ones, which need no words.
    target = f", {plain(report.target)}" if report.target else ""
    yield from wrapped(f"{'PASS' if report.passed else 'FAIL'}  {title(report)}{target}", indent=6)
    how = f" ({plain(report.arithmetic)})" if report.arithmetic else ""
    yield from _field("artifact", f"{report.artifact}, manifest {report.manifest_sha256[:16]}")
    yield from _field("run by", report.runner + how)
    yield from _field("compared", f"with {report.reference}")
    if not report.is_device_runtime:
        yield from _field("", bound(report))
    for line in statements(report):
        yield from _field("says", line)
    for note in (*report.notes, *cautions(report)):
        yield from _field("note", note)


def _outputs(report: ParityReport) -> Iterator[str]:
    if not report.outputs:
        yield "outputs: none was compared"
        return
    classifies = any(item.top1 is not None for item in report.outputs)
    columns = [column for column in _FIGURES if classifies or column.head != "top-1"]
    shown_columns = fitted(columns, width() - _LEAST_NAMES)
    names = max(_NAMES + width() - 110, min(_NAMES, width() - shown_columns.width))
    name = names * 17 // _NAMES
    yield f"{'output':<{name}}{'input':<{names - name}}{shown_columns.head}"
    for items in by_name(report.outputs).values():
        ordered = sorted(items, key=by_severity)
        shown = ordered[:_OUTPUTS_SHOWN]
        for item in shown:
            yield from _output(item, (name, names - name), shown_columns)
        if rest := ordered[_OUTPUTS_SHOWN:]:
            failing = sum(not item.passed for item in rest)
            what = f"{failing} of them fail" if failing else "all further within tolerance"
            yield f"  and {count(rest, 'more input')}, {what}"
    for line in shown_columns.said():
        yield from wrapped(f"{line} (--json and --html have them)", indent=2)
    heads = {column.head for column in shown_columns.columns}
    said = [words for head, words in _SAID.items() if head in heads]
    yield from wrapped(f"{'; '.join(said)}.")
    for line in (*costs(report), where_lost(report)):
        yield from wrapped(line, indent=2)


def _output(item: OutputResult, names: tuple[int, int], columns: Fitted) -> Iterator[str]:
    figures = item.figures
    cells = {
        "max error": number(figures.max_abs),
        "PyTorch f32": "" if item.noise_floor is None else number(item.noise_floor.max_abs),
        "allowed": number(item.allowed),
        "of largest": number(figures.max_rel),
        "SNR": decibels(figures.snr_db),
        "cosine": f"{figures.cosine:.7f}",
        "top-1": same_class(item),
    }
    said = "".join(
        f"{tail(text, most - 1):<{most}}" for text, most in zip((item.name, item.case), names, strict=True)
    )
    yield (said + columns.row(cells)).rstrip()
    if item.reason is not None:
        yield from wrapped(f"  FAIL  {plain(item.reason)}", indent=8)


def _operators(report: ParityReport) -> Iterator[str]:
    yield from wrapped(operator_counts(report), indent=2)
    if not report.operators:
        return
    first = report.first_divergence
    if first is not None:
        yield from wrapped(f"  FIRST DIVERGENCE  {plain(str(first))}", indent=20)
        yield from wrapped(" " * 20 + why(first), indent=20)
        more = sum(not item.passed for item in report.operators) - 1
        if more:
            yield f"{'':20}and {count(more, 'operator')} after it, wrong in {'itself' if more == 1 else 'themselves'}"
    yield from _worst(report)
    yield from _cliffs(report)


def _worst(report: ParityReport) -> Iterator[str]:
    """The operators nearest to what they are allowed; where a line has no room for one, its name is a line of its own."""
    heading = f"  {'own error':>10}{'allowed':>10}{'of allowed':>12}{'total':>10}"
    named = "worst operators, over a value's largest magnitude"
    room = width() - len(heading) - 3
    is_wide = room >= len(named)
    yield f"{heading}  {named}" if is_wide else f"  {named}"
    if not is_wide:
        yield heading
    for item in worst_first(report)[:_OPERATORS_SHOWN]:
        share = times(share_of_allowed(item)) if item.tolerance > 0 else "-"
        figures = f"  {number(item.own_error):>10}{number(item.tolerance):>10}{share:>12}{number(item.total_error):>10}"
        operator = tail(item.operator, 40 if is_wide else 26)
        where = (
            f"{operator} {tail(item.module or item.node, (room if is_wide else width() - 5) - len(operator))}"
        )
        yield from [f"{figures}  {where}"] if is_wide else [f"    {where}", figures]


def _cliffs(report: ParityReport) -> Iterator[str]:
    found = cliffs(report)
    if not found:
        return
    yield ""
    met = count(found, "place")
    yield from wrapped(
        f"published cliffs of the Neural Engine that are met: {met}, each an estimate", indent=2
    )
    for line in found[:_CLIFFS_SHOWN]:
        yield from wrapped(f"  {line}", indent=4)
    if len(found) > _CLIFFS_SHOWN:
        yield f"  and {len(found) - _CLIFFS_SHOWN:,} more (--json and --html have them all)"


def _end(report: ParityReport) -> Iterator[str]:
    yield ""
    if report.passed:
        outputs = count(len(by_name(report.outputs)), "output")
        inputs = count(len({item.case for item in report.outputs}), "input")
        yield from wrapped(
            f"PASS: {outputs} on {inputs} within tolerance; {operator_counts(report)}", indent=6
        )
        return
    found = reasons(report)
    yield f"FAIL: {count(found, 'failure')}"
    for reason in found[:_FAILURES_SHOWN]:
        yield from wrapped(f"  - {reason}", indent=4)
    if len(found) > _FAILURES_SHOWN:
        yield f"  and {len(found) - _FAILURES_SHOWN:,} more (--json, --junit and --html have them all)"


def _bisected(report: ParityReport, first: OperatorResult) -> Iterator[str]:
    yield from wrapped(f"first divergence: {plain(first.operator)} {plain(first.node)}", indent=18)
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
    if first.cliff:
        yield from _field("cliff", f"published of the Neural Engine: gives {first.cliff}")
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
        yield from wrapped(f"    {plain(str(item))}: own error {number(item.own_error)}", indent=6)


def _input(name: str, item: OperatorResult | None) -> str:
    if item is None:
        return f"    {tail(name, 60)}: an input, or not compared"
    return (
        f"    {'':>8}{number(item.own_error):>11}{number(item.total_error):>14}{number(item.tolerance):>10}    "
        f"{item.verdict}: {tail(f'{item.operator} {item.node}', 45)}"
    )


def _field(name: str, text: str) -> Iterator[str]:
    yield from wrapped(f"  {name:<10}  {plain(text)}", indent=14)
