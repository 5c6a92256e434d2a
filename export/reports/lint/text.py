"""What lint found in an artifact, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...lint.lint import Gate, LintReport, NotChecked
from ...lint.rule import Finding
from ..shared.words import count, plain, unreadable_lines, wrapped

__all__ = ["counted", "lines", "reason"]

_SHOWN = 6  # operators of a rule; --json has all
_INDENT = "    "


def lines(report: LintReport, gate: Gate) -> Iterator[str]:
    """A block for each rule that found something, the worst first; then what was not checked, and what fails."""
    yield from wrapped(f"lint  {plain(report.artifact)}: {counted(report)}", indent=6)
    ran = f"run on {', '.join(report.cases)}" if report.cases else "not run"
    yield from wrapped(
        f"  {count(report.checked, 'rule')} held to {count(report.operators, 'operator')}, {plain(ran)}",
        indent=2,
    )
    for items in _by_rule(report.findings):
        yield from _block(items)
    for reason_, names in _by_reason(report.not_checked).items():
        yield from wrapped(f"  not checked: {', '.join(names)}: {plain(reason_)}", indent=4)
    yield from unreadable_lines(report.unreadable, len(report.cases))
    failures = gate.failures(report)
    if failures:
        yield f"FAIL  --fail-on {', '.join(gate.names)}: {_failed(failures)}"


def counted(report: LintReport) -> str:
    """How much was found, by severity."""
    found = [item.rule.severity.value for item in report.findings]
    said = [
        count(found.count(name), name)
        for name in dict.fromkeys(("error", "warning", "note"))
        if name in found
    ]
    return ", ".join(said) or "nothing found"


def reason(item: Finding | NotChecked) -> str:
    """One finding, or what was not looked for, in a line."""
    if isinstance(item, NotChecked):
        return f"{item.rule} was not checked: {item.reason}"
    return f"{item.rule.name}: {item.operator} {item.value} at {item.origin}: {item.met}"


def _by_rule(findings: Sequence[Finding]) -> list[list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for item in findings:
        groups.setdefault(item.rule.name, []).append(item)
    return sorted(groups.values(), key=lambda items: -items[0].rule.severity.weight)


def _by_reason(items: Sequence[NotChecked]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(item.reason, []).append(item.rule)
    return groups


def _block(items: Sequence[Finding]) -> Iterator[str]:
    rule = items[0].rule
    yield ""
    yield f"  {rule.severity.value:<8}{rule.name}, {count(items, 'operator')}"
    flag = f" (`cloformer export {items[0].flag}` does it)" if items[0].flag else ""
    for name, text in (("sees", rule.sees), ("source", rule.source), ("to do", rule.rewrite + flag)):
        yield from wrapped(f"    {name:<8}{text}", indent=12)
    for item in items[:_SHOWN]:
        yield from wrapped(
            f"{_INDENT}{plain(item.operator)} {plain(item.value)} at {plain(str(item.origin))}", indent=8
        )
        yield from wrapped(f"{_INDENT}  {plain(item.met)}", indent=8)
    if len(items) > _SHOWN:
        yield f"{_INDENT}and {count(len(items) - _SHOWN, 'more operator')} (--json has them all)"


def _failed(failures: Sequence[Finding | NotChecked]) -> str:
    unknown = [item for item in failures if isinstance(item, NotChecked)]
    found = len(failures) - len(unknown)
    said = [count(found, "finding")] if found else []
    return " and ".join([*said, *([f"{count(unknown, 'rule')} not checked"] if unknown else [])])
