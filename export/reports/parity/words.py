"""What a parity report says of outputs and operators, in the words that the terminal, the page and CI share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from ...parity.report import OperatorResult, OutputResult, ParityReport, Statement
from ..shared.words import count, decibels, number, plain, times

__all__ = [
    "bound",
    "by_name",
    "by_severity",
    "cautions",
    "cliffs",
    "compared",
    "costs",
    "false_statement",
    "group_of",
    "largest_error",
    "largest_share",
    "operator_counts",
    "passed",
    "reasons",
    "same_class",
    "share_of_allowed",
    "statements",
    "steps",
    "title",
    "where_lost",
    "why",
    "worst_first",
]

_LOSSES_SHOWN = 3
_LOWER_BOUND = (
    "is a reference runtime, not the device's own: its error is a lower bound of the error on a device, "
    "whose sums and fused operators are not published"
)
_ESTIMATE = (
    "is a reference runtime, not the device's own: where it meets a cliff that it emulates, its error is an estimate of a "
    "device's, and elsewhere a lower bound, for sums and fused operators are not published"
)


def title(report: ParityReport) -> str:
    """What was compared, in a few words."""
    return plain(f"{report.model} {report.format} {report.precision} {report.image_size}")


def bound(report: ParityReport) -> str:
    """What the errors of a reference runtime say of a device; "" where a device's own runtime ran it."""
    if report.is_device_runtime:
        return ""
    return f"{report.runner} {_ESTIMATE if report.cliffs else _LOWER_BOUND}"


def cliffs(report: ParityReport) -> list[str]:
    """The published cliffs of the Neural Engine that operators meet, where the arithmetic emulates them."""
    return [plain(str(item)) for item in report.cliffs]


def costs(report: ParityReport) -> Iterator[str]:
    """What the artifact has lost beside the model as it was trained, an output a line."""
    for item in report.costs:
        words = f"{report.precision} costs {item.output}: {decibels(item.figures.snr_db)} beside the model as it was trained"
        if item.rows:
            words += f", the first class the same on {item.agreed} of {count(range(item.rows), 'row')}"
        if item.flipped_margins:
            words += f" (the model preferred its own by up to {number(item.flipped_margins[-1])})"
        yield plain(f"{words}, {count(item.inputs, 'input')}")


def where_lost(report: ParityReport) -> str:
    """The operators that most of the loss comes from; "" where none is known."""
    first = [item for item in report.operator_costs[:_LOSSES_SHOWN] if item.share]
    if not first:
        return ""
    named = ", ".join(
        f"{item.share:.0%} of the noise at {item.module or item.node} ({item.operator})" for item in first
    )
    return plain(f"it arises in {count(report.operator_costs, 'operator')}: {named}; --json has them all")


def passed(reports: Sequence[ParityReport]) -> bool:
    """Nothing compared is nothing proved."""
    return bool(reports) and all(report.passed for report in reports)


def share_of_allowed(item: OutputResult | OperatorResult) -> float:
    """The error over what is allowed; infinite if nothing is allowed and there is some."""
    if isinstance(item, OperatorResult):
        error, allowed = item.own_error, item.tolerance
    else:
        error, allowed = item.figures.max_abs, item.allowed
    if allowed > 0:
        return error / allowed
    return 0.0 if item.passed else math.inf  # numbers too small for the format to hold to a share


def by_severity(item: OutputResult | OperatorResult) -> tuple[bool, float]:
    """Sorts what failed before what passed, and the largest share of what is allowed first."""
    share = share_of_allowed(item)
    return item.passed, -math.inf if math.isnan(share) else -share


def largest_error(outputs: Sequence[OutputResult]) -> float:
    """Of all outputs on all inputs; NaN if one is no number."""
    errors = [item.figures.max_abs for item in outputs]
    return math.nan if any(map(math.isnan, errors)) else max(errors)


def largest_share(outputs: Sequence[OutputResult]) -> str:
    """The largest share of what is allowed that any output takes on any input: the nearest to failing, or the furthest
    beyond. It need not be the largest error's, for each has its own allowance."""
    return times(share_of_allowed(min(outputs, key=by_severity)))


def by_name(outputs: Iterable[OutputResult]) -> dict[str, list[OutputResult]]:
    """The outputs of a report by their name, in their order."""
    found: dict[str, list[OutputResult]] = {}
    for item in outputs:
        found.setdefault(item.name, []).append(item)
    return found


def worst_first(report: ParityReport) -> list[OperatorResult]:
    return sorted(report.operators, key=by_severity)


def steps(report: ParityReport) -> int:
    """Results that are compared with the one that they are fused into, and so are no entries of ``operators``."""
    return max(report.operators_total - len(report.operators), 0)


def compared(report: ParityReport) -> str:
    """``402 results of operators compared (21 with the one that they are fused into)``. An operator may have several
    results: there can be more of them than operators in the file."""
    fused = f" ({steps(report):,} with the one that they are fused into)" if steps(report) else ""
    return f"{count(len(report.operators) + steps(report), 'result')} of operators compared{fused}"


def operator_counts(report: ParityReport) -> str:
    """What was compared, and what came of it: ``402 results of operators compared: 1 wrong here, ..``."""
    if not report.operators:
        return "operators were not compared"
    of = compared(report)
    counts = dict.fromkeys(("wrong here", "overflows", "inherited", "right"), 0)
    for item in report.operators:
        counts[item.verdict] += 1
    if counts["right"] == len(report.operators):
        return f"{of}, each within what rounding allows"
    overflows = f"{counts['overflows']:,} overflow, " if counts["overflows"] else ""
    return (
        f"{of}: {counts['wrong here']:,} wrong here, {overflows}{counts['inherited']:,} right but on inputs already off, "
        f"{counts['right']:,} right"
    )


def group_of(item: OperatorResult) -> str:
    """The outermost two modules that an operator is in."""
    return ".".join(item.module.split(".")[:2]) or "the model"


def same_class(item: OutputResult) -> str:
    """Whether the first class agrees; a share, if the batch has several."""
    if item.top1 is None:
        return ""
    return {1.0: "same", 0.0: "differs"}.get(item.top1, f"{item.top1:.0%}")


def why(item: OperatorResult) -> str:
    """What is wrong with an operator."""
    known = f"; a published cliff of the Neural Engine gives {plain(item.cliff)}" if item.cliff else ""
    if item.verdict == "overflows":
        return (
            f"overflows: the number format ends before its result, whose largest magnitude is {number(item.largest)}, on "
            f"{plain(item.case)}{known}"
        )
    return (
        f"adds {number(item.own_error)} of the value's largest magnitude, and {number(item.tolerance)} is allowed; "
        f"{number(item.total_error)} from the reference in all, on {plain(item.case)}{known}"
    )


def reasons(report: ParityReport) -> list[str]:
    """Everything that makes the comparison fail, a line each; empty exactly if it passed."""
    found = [] if report.outputs else ["no output was compared"]
    found += [
        f"output {item.name} on {item.case}: {item.reason}{_lost_at(report, item)}"
        for item in report.outputs
        if not item.passed
    ]
    found += [f"{item} {why(item)}" for item in report.operators if not item.passed]
    found += [f"not compared: {what}" for what in report.not_compared]
    found += [false_statement(item) for item in report.false_statements]
    found += [f"output {item.output}: {item.problem}" for item in report.too_costly]
    return [plain(line) for line in found]


def _lost_at(report: ParityReport, item: OutputResult) -> str:
    first = report.first_loss if item.too_lossy is not None else None
    return "" if first is None else f"; {first.lost}"


def false_statement(item: Statement) -> str:
    """Why a statement of the artifact fails."""
    if item.problem is None:
        return f"{item.about}: nobody but the artifact says so, and --require-all asks for all; {_how_to_check(item)}"
    return f"what the artifact says is wrong: {item.about}: {item.problem} (by {item.against})"


def statements(report: ParityReport) -> Iterator[str]:
    """What the artifact says of itself: what is right, by whom, and what nobody else says."""
    right = [f"{item.about} (by {item.against})" for item in report.statements if item.verdict == "right"]
    if right:
        yield plain(f"right: {', '.join(right)}")
    for item in report.statements:
        if item.verdict == "wrong":
            yield plain(f"WRONG: {item.about}: {item.problem} (by {item.against})")
        elif item.verdict == "not checked":
            yield plain(
                f"not checked: {item.about}, which nobody but the artifact says; {_how_to_check(item)}"
            )


def _how_to_check(item: Statement) -> str:
    options = {"labels": "--labels FILE", "preprocessing": "--spec FILE"}
    return f"{options.get(item.about, '--model or --weights')} would"


def cautions(report: ParityReport) -> list[str]:
    """What a person should know beside the verdict: what could not tell, and what was counted and not judged."""
    found = []
    for name, items in by_name(report.outputs).items():
        silent = [item for item in items if not item.tolerance.judges]
        if silent:
            worst = max(item.tolerance.loss for item in silent)
            cost = f"{worst:.0%} of the largest value" if math.isfinite(worst) else "a value that is finite"
            found.append(
                f"{name} cannot tell a right file from a wrong one on {', '.join(item.case for item in silent)}: rounding "
                f"alone may cost {cost} there, so operators alone judge"
            )
        flips = sum(item.flips for item in items)
        if flips:
            found.append(
                f"{name}: {count(flips, 'element')} otherwise where rounding decides, counted and not judged"
            )
    flips = sum(item.flips for item in report.operators)
    if flips:
        found.append(f"inside, {count(flips, 'element')} otherwise where rounding decides")
    return [plain(line) for line in found]
