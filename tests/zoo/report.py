"""The zoo's tables, and what is not as it must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from .networks import PUBLISHED_CODE, TIMM
from .trial import RESULTS, Row

__all__ = ["failures", "table_of_needs", "table_of_rows", "totals"]

# Of a form's rows that are to be exported and to pass; Core ML has fewer operators. The others are refused, with the reason.
PASSED_AT_LEAST = {
    "onnx fp32": 0.95,
    "coreml fp16": 0.90,
    "coreml fp32": 0.90,
    "litert fp32": 0.85,
    "executorch fp32": 0.85,
}
_LONGEST = 240  # characters in a cell


def failures(rows: Sequence[Row]) -> list[str]:
    """The bounds that are not kept, and every row with a result that may not be."""
    found = []
    for form, least in PASSED_AT_LEAST.items():
        results = [row.result for row in rows if row.form == form and row.style != PUBLISHED_CODE]
        passed = results.count("passed")
        if passed < least * len(results):
            found.append(f"{form}: {passed} of {len(results)} passed, fewer than {100 * least:.0f} %")
    found += [
        f"{row.network} {row.form}: {row.result}: {_in_a_cell(row.words)}" for row in rows if not row.is_right
    ]
    return found


def totals(rows: Sequence[Row]) -> list[str]:
    """Counts of results by form, and by whether the networks are timm's."""
    columns = dict.fromkeys((_kind(row), row.form) for row in sorted(rows, key=_order))
    counts = Counter(((_kind(row), row.form), row.result) for row in rows)
    lines = [
        f"| result | {' | '.join(', '.join(column) for column in columns)} |",
        f"| --- |{' --: |' * len(columns)}",
    ]
    for result, is_right in RESULTS.items():
        numbers = [counts[column, result] for column in columns]
        if any(numbers) or not is_right:
            lines.append(f"| {result} | {' | '.join(map(str, numbers))} |")
    sums = [sum(counts[column, result] for result in RESULTS) for column in columns]
    shares = [
        f"{100 * counts[column, 'passed'] / whole:.1f} %" for column, whole in zip(columns, sums, strict=True)
    ]
    return [*lines, f"| all | {' | '.join(map(str, sums))} |", f"| passed | {' | '.join(shares)} |"]


def table_of_rows(rows: Sequence[Row]) -> list[str]:
    """A line for every network, a column for every form, and below what was said of those that did not pass."""
    forms = [form for form in PASSED_AT_LEAST if any(row.form == form for row in rows)]
    found = {(row.network, row.form): row for row in rows}
    networks = {row.network: row.style for row in sorted(rows, key=_order)}
    lines = [f"| network | style | {' | '.join(forms)} |", f"| --- | --- |{' --- |' * len(forms)}"]
    for network, style in networks.items():
        cells = [_cell(found.get((network, form))) for form in forms]
        lines.append(f"| {network} | {style} | {' | '.join(cells)} |")
    lines += ["", "| network | form | result | what was said |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row.network} | {row.form} | {row.result} | {_in_a_cell(row.words)} |"
        for row in sorted(rows, key=_order)
        if row.result != "passed"
    ]
    return lines


def table_of_needs(rows: Sequence[Row]) -> list[str]:
    """How much of what is allowed was needed, by kind of operator."""
    return list(_needs(rows))


def _needs(rows: Sequence[Row]) -> Iterator[str]:
    yield "| kind of operator | form | compared | largest error, in roundings | largest share of what is allowed | by |"
    yield "| --- | --- | --: | --: | --: | --- |"
    for kind, form in sorted({(kind, row.form) for row in rows for kind in row.needs}):
        needs = [row.needs[kind] for row in rows if row.form == form and kind in row.needs]
        most = max(needs, key=lambda need: need.share)
        roundings = max(need.roundings for need in needs)
        yield (
            f"| {kind} | {form} | {sum(need.count for need in needs)} | {roundings:.2f} | {most.share:.2f} | "
            f"`{most.operator}` |"
        )


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    return f"passed, {row.operators} of {row.of_operators}" if row.result == "passed" else row.result


def _kind(row: Row) -> str:
    return row.style if row.style in (TIMM, PUBLISHED_CODE) else "small"


def _order(row: Row) -> tuple[str, str, int]:
    return _kind(row), row.style, list(PASSED_AT_LEAST).index(row.form)


def _in_a_cell(words: str) -> str:
    return " / ".join(words.replace("|", "\\|").splitlines())[:_LONGEST]
