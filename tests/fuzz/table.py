"""The two tables of the programme, and the list of what is not as it must be."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from .inputs import CLASSES, OF_EXTRAS
from .programme import Done

__all__ = ["failures", "tables"]

_CODES = (0, 1, 2, 3, 4, 5)
_COLUMNS = {
    "exit 70": ("exit 70",),
    "tracebacks": ("traceback", "crash"),
    "hangs": ("hang",),
    "outside": ("outside",),
    "over 3 GiB": ("memory",),
    "other": ("exit code", "words"),
}
_SHOWN = 5  # findings of a run
_LONGEST = 300  # characters of a command in the list


def tables(done: Sequence[Done]) -> dict[str, list[str]]:
    """In Markdown, a row for each class of inputs: the hostile ones and the odd ones."""
    return {
        name: list(_table([item for item in done if item.number.odd == odd]))
        for name, odd in (("hostile", False), ("odd", True))
    }


def _table(done: Sequence[Done]) -> Iterator[str]:
    heads = ["input", "runs", "of them drawn", *(f"exit {code}" for code in _CODES), *_COLUMNS, "memory, MB"]
    yield f"| {' | '.join(heads)} |"
    yield f"| --- |{' --: |' * (len(heads) - 1)}"
    for name in [row.name for row in (*CLASSES, *OF_EXTRAS)]:
        of_it = [item for item in done if item.number.of == name]
        if of_it:
            yield _row(name, of_it)
    if done:
        yield _row("all", done)


def _row(name: str, done: Sequence[Done]) -> str:
    codes = Counter(item.code for item in done)
    cells: list[str | int] = [
        name,
        len(done),
        sum(item.drawn for item in done),
        *(codes[code] for code in _CODES),
    ]
    cells += [
        sum(any(item.verdict.has(kind) for kind in kinds) for item in done) for kinds in _COLUMNS.values()
    ]
    cells.append(max(item.memory for item in done) // 10**6)
    return f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else cell for cell in cells)} |"


def failures(done: Sequence[Done]) -> Iterator[str]:
    """Each run that is not as it must be: which, how to do it again, what was wrong."""
    for item in done:
        if item.verdict.findings:
            number = item.number
            odd = " --odd" if number.odd else ""
            yield f"FAIL {number.of} {number.number}: {item.what[:200]}"
            yield f"  again: python -m fuzz --only {shlex.quote(number.of)}{odd} --number {number.number} --seed {item.seed}"
            yield f"  command: cloformer {ascii(shlex.join(item.arguments))[1:-1][:_LONGEST]}"
            yield from (
                f"  {finding.kind}: {ascii(finding.words)[1:-1]}"
                for finding in item.verdict.findings[:_SHOWN]
            )
            if len(item.verdict.findings) > _SHOWN:
                yield f"  and {len(item.verdict.findings) - _SHOWN} more"
