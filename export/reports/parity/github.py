"""Parity reports inside GitHub Actions: annotations beside the code, and the summary of the job."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cloformer.io.output import tell_commands
from cloformer.io.words import markdown
from cloformer.io.write import append_text

from ...parity.report import OutputResult, ParityReport
from ..shared.github import command, place_of
from ..shared.words import count, decibels, number
from .words import (
    bound,
    by_name,
    by_severity,
    false_statement,
    largest_error,
    largest_share,
    operator_counts,
    passed,
    reasons,
    same_class,
    title,
    why,
    worst_first,
)

__all__ = ["annotations", "report_if_there", "step_summary", "write_step_summary"]

_ERRORS = 10  # GitHub shows ten annotations of a kind for a step and drops the others
_OPERATORS_SHOWN = 10
_REASONS_SHOWN = 20
_MAX_SUMMARY_BYTES = 2**20  # a larger one is refused whole


def report_if_there(reports: Sequence[ParityReport], environment: Mapping[str, str] = os.environ) -> bool:
    """Inside GitHub Actions, annotate (on standard error, which is read too) and add to the job's summary."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return False
    tell_commands(annotations(reports, root=Path.cwd()))
    if environment.get("GITHUB_STEP_SUMMARY"):
        write_step_summary(reports, Path(environment["GITHUB_STEP_SUMMARY"]))
    return True


def annotations(reports: Sequence[ParityReport], root: Path | None = None) -> str:
    """Workflow commands, a line each: an error per failure, a notice per report that passed.

    A failing operator is put beside its line if its module is a file below ``root``.
    """
    if not reports:
        return command("error", "no artifact was compared", title="parity")
    lines: list[str] = []
    for report in reports:
        if report.passed:
            text = f"{_outputs_in_words(report)}; {operator_counts(report)}"
            lines.append(command("notice", text, title=f"parity holds: {title(report)}"))
            continue
        name = f"parity fails: {title(report)}"
        found = list(_errors(report, root))
        shown = found if len(found) <= _ERRORS else found[: _ERRORS - 1]
        lines += [command("error", text, title=name, **place) for text, place in shown]
        if len(found) > len(shown):
            lines.append(
                command("error", f"and {count(len(found) - len(shown), 'more failure')}", title=name)
            )
    return "".join(lines)


def step_summary(reports: Sequence[ParityReport]) -> str:
    """Markdown: a table of the artifacts, and for each its outputs and what failed."""
    text = "\n".join(["", *_summary(reports), ""])
    if len(text.encode("utf-8", "replace")) > _MAX_SUMMARY_BYTES // 2:
        return "\n".join(["", *_overview(reports), "", "_The details are too long for a summary._", ""])
    return text


def write_step_summary(reports: Sequence[ParityReport], path: Path) -> None:
    """Append to the file that ``GITHUB_STEP_SUMMARY`` names: other steps write there too."""
    append_text(path, step_summary(reports), "see what GITHUB_STEP_SUMMARY names")


def _errors(report: ParityReport, root: Path | None) -> Iterator[tuple[str, dict[str, str]]]:
    if not report.outputs:
        yield "no output was compared", {}
    first = report.first_divergence
    for operator in sorted(
        (item for item in report.operators if not item.passed), key=lambda item: item.depth
    ):
        text = f"{'first divergence: ' if operator is first else ''}{operator} {why(operator)}"
        yield text, place_of(operator.location, root)
    for output in report.outputs:
        if not output.passed:
            yield f"output {output.name} on {output.case}: {output.reason}", {}
    for what in report.not_compared:
        yield f"not compared: {what}", {}
    for item in report.false_statements:
        yield false_statement(item), {}
    for cost in report.too_costly:
        yield f"output {cost.output}: {cost.problem}", {}


def _outputs_in_words(report: ParityReport) -> str:
    return (
        f"{count(len(by_name(report.outputs)), 'output')} within tolerance, the largest error "
        f"{number(largest_error(report.outputs))}, at most {largest_share(report.outputs)} times what is allowed"
    )


def _summary(reports: Sequence[ParityReport]) -> Iterator[str]:
    yield from _overview(reports)
    for report in reports:
        yield ""
        yield f"### {'✅' if report.passed else '❌'} {markdown(title(report))}"
        yield ""
        yield f"{markdown(report.artifact)} run by {markdown(report.runner)}, compared with {markdown(report.reference)}."
        if not report.is_device_runtime:
            yield f"{markdown(bound(report))}."
        if report.outputs:
            yield ""
            yield "| output | input nearest to what is allowed | its error | PyTorch float32 | allowed | SNR | cosine | top-1 | |"
            yield "| :-- | :-- | --: | --: | --: | --: | --: | :-- | :-- |"
            yield from (_row(items) for items in by_name(report.outputs).values())
        yield from _failures(report)


def _overview(reports: Sequence[ParityReport]) -> Iterator[str]:
    yield f"## Parity: {'holds' if passed(reports) else 'FAILS'}"
    yield ""
    if not reports:
        yield "No artifact was compared."
        return
    yield "| artifact | run by | outputs | operators | |"
    yield "| :-- | :-- | :-- | :-- | :-- |"
    for report in reports:
        outputs = _outputs_in_words(report) if report.passed else count(report.outputs, "comparison")
        cells = [
            markdown(report.artifact),
            markdown(report.runner),
            markdown(outputs),
            markdown(operator_counts(report)),
        ]
        yield f"| {' | '.join(cells)} | {'PASS' if report.passed else '**FAIL**'} |"


def _row(items: Sequence[OutputResult]) -> str:
    worst = min(items, key=by_severity)
    floor = "" if worst.noise_floor is None else number(worst.noise_floor.max_abs)
    figures = worst.figures
    cells = [
        markdown(worst.name),
        markdown(worst.case) + (f" (of {len(items)})" if len(items) > 1 else ""),
        number(figures.max_abs),
        floor,
        number(worst.allowed),
        decibels(figures.snr_db),
        f"{figures.cosine:.7f}",
        same_class(worst),
        "PASS" if worst.passed else "**FAIL**",
    ]
    return f"| {' | '.join(cells)} |"


def _failures(report: ParityReport) -> Iterator[str]:
    first = report.first_divergence
    if first is not None:
        yield ""
        yield f"**First divergence:** {markdown(str(first))} {markdown(why(first))}."
        yield ""
        yield "| operator | module and line | own error | allowed | total error |"
        yield "| :-- | :-- | --: | --: | --: |"
        for item in worst_first(report)[:_OPERATORS_SHOWN]:
            if not item.passed:
                where = f"{markdown(item.module or 'the model')} {markdown(item.location)}"
                figures = " | ".join(map(number, (item.own_error, item.tolerance, item.total_error)))
                yield f"| {markdown(item.operator)} {markdown(item.node)} | {where} | {figures} |"
    found = reasons(report)
    if found:
        yield ""
        yield from (f"- {markdown(reason)}" for reason in found[:_REASONS_SHOWN])
    if len(found) > _REASONS_SHOWN:
        yield f"- and {len(found) - _REASONS_SHOWN:,} more"
