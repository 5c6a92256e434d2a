"""What lint found, inside GitHub Actions: annotations beside the code, and the summary of the job."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cloformer.io.output import tell_commands
from cloformer.io.words import markdown
from cloformer.io.write import append_text

from ...lint.lint import Gate, LintReport
from ..shared.github import command, place_of
from .text import counted, reason

__all__ = ["annotations", "report_if_there", "step_summary"]

_SHOWN = 10  # GitHub shows ten annotations of a kind for a step and drops the others
_ROWS = 50
_KINDS = {"error": "error", "warning": "warning", "note": "notice"}


def report_if_there(
    reports: Sequence[LintReport], gate: Gate, environment: Mapping[str, str] = os.environ
) -> bool:
    """Inside GitHub Actions, annotate (on standard error, which is read too) and add to the job's summary."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return False
    tell_commands(annotations(reports, gate, root=Path.cwd()))
    if environment.get("GITHUB_STEP_SUMMARY"):
        place = Path(environment["GITHUB_STEP_SUMMARY"])
        append_text(place, step_summary(reports), "see what GITHUB_STEP_SUMMARY names")
    return True


def annotations(reports: Sequence[LintReport], gate: Gate, root: Path | None = None) -> str:
    """Workflow commands, a line each: what fails is an error; of the rest, as severe as the rule. A finding is put beside its line
    if its module is a file below ``root``."""
    said: dict[str, list[str]] = {}
    for report in reports:
        failures = gate.failures(report)
        title = f"lint: {report.artifact}"
        for item in report.findings:
            kind = "error" if item in failures else _KINDS[item.rule.severity.value]
            place = place_of(item.origin.location, root)
            said.setdefault(kind, []).append(command(kind, reason(item), title=title, **place))
        for unknown in report.not_checked:
            if unknown in failures:
                said.setdefault("error", []).append(command("error", reason(unknown), title=title))
    return "".join(line for lines in said.values() for line in lines[:_SHOWN])


def step_summary(reports: Sequence[LintReport]) -> str:
    """Markdown: for each artifact how much was found, and a table."""
    return "\n".join(
        ["", "## Lint for phones", "", *(line for report in reports for line in _summary(report)), ""]
    )


def _summary(report: LintReport) -> Iterator[str]:
    yield f"### {markdown(report.artifact)}: {counted(report)}"
    yield ""
    if report.findings:
        yield "| rule | operator | module and line | what was met | source |"
        yield "| :-- | :-- | :-- | :-- | :-- |"
    for item in report.findings[:_ROWS]:
        cells = (
            f"{item.rule.severity.value}: {item.rule.name}", f"{item.operator} {item.value}", str(item.origin), item.met, item.rule.source,
        )  # fmt: skip
        yield f"| {' | '.join(map(markdown, cells))} |"
    if len(report.findings) > _ROWS:
        yield f"\nand {len(report.findings) - _ROWS:,} more"
    for unknown in report.not_checked:
        yield f"\n- {markdown(reason(unknown))}"
    yield ""
