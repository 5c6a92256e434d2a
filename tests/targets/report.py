"""What may not be among the rows, and a table of what is refused where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from .trial import FORMS, RESULTS, Row

__all__ = ["failures", "table_of_rows", "totals"]

_LONGEST = 240  # characters in a cell


def failures(rows: Sequence[Row]) -> list[str]:
    """Every row with a result that may not be, and every refusal that does not name a choice of its option with which
    the network passes."""
    wrong = [
        f"{_title(row)} {row.form}: {row.result}: {_in_a_cell(row.words)}"
        for row in rows
        if not RESULTS[row.result]
    ]
    return wrong + [
        f"{_title(row)} {row.form}: refused, and {' or '.join(flags)} is not named: {_in_a_cell(row.words)}"
        for row, flags in _takers(rows)
        if not any(flag in row.words for flag in flags)
    ]


def _takers(rows: Sequence[Row]) -> Iterator[tuple[Row, list[str]]]:
    """Every refusal with what takes the network in its place: in the same format and precision, by another choice."""
    passed = {(row.group, row.network, row.form) for row in rows if row.result == "passed"}
    for row in rows:
        if row.result != "refused":
            continue
        own = FORMS[row.form]
        flags = [
            form.flag
            for name, form in FORMS.items()
            if (form.format, form.option, form.precision) == (own.format, own.option, own.precision)
            and (row.group, row.network, name) in passed
        ]
        if flags:
            yield row, flags


def totals(rows: Sequence[Row]) -> list[str]:
    """Counts of results by form."""
    forms = _forms(rows)
    counts = Counter((row.form, row.result) for row in rows)
    lines = [f"| result | {' | '.join(forms)} |", f"| --- |{' --: |' * len(forms)}"]
    for result, is_right in RESULTS.items():
        numbers = [counts[form, result] for form in forms]
        if any(numbers):
            words = result if is_right else f"{result} (may not be)"
            lines.append(f"| {words} | {' | '.join(map(str, numbers))} |")
    return lines


def table_of_rows(rows: Sequence[Row]) -> list[str]:
    """A line for every network and what is said of it, with the forms where that is so; what passes everywhere is left out."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.result != "passed":
            found.setdefault((_title(row), row.result, _in_a_cell(row.words)), []).append(row)
    lines = ["| network | forms | result | what was said |", "| --- | --- | --- | --- |"]
    for (title, result, words), same in found.items():
        forms = ", ".join(sorted((row.form for row in same), key=list(FORMS).index))
        lines.append(f"| {title} | {forms} | {result} | {words} |")
    return lines


def _forms(rows: Sequence[Row]) -> list[str]:
    present = {row.form for row in rows}
    return [form for form in FORMS if form in present]


def _title(row: Row) -> str:
    return f"{row.group}: {row.network}"


def _in_a_cell(words: str) -> str:
    return " / ".join(words.replace("|", "\\|").splitlines())[:_LONGEST]
