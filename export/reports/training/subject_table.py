"""Tables with a line for each model that was evaluated, which fit the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from cloformer.io.output import width

from ..shared.table import Column, fitted
from ..shared.words import plain, tail, wrapped

__all__ = ["Ran", "notes", "subject_table"]

_LEAST_SUBJECT = 20  # columns of a name that is too long
_WHOLE = 100_000  # columns where there is no terminal: nothing is shortened in a log


class Ran(Protocol):
    """What was evaluated, and how it ran here."""

    @property
    def subject(self) -> str: ...
    @property
    def runs_in(self) -> str: ...
    @property
    def notes(self) -> Sequence[str]: ...


def subject_table(
    results: Sequence[Ran], rows: Sequence[Mapping[str, str]], ranks: Mapping[str, int]
) -> Iterator[str]:
    """``rows`` are the cells of each result by their heads, which ``ranks`` orders; what does not fit goes by the highest rank. A
    column that is empty for all is left out."""
    heads = [head for head in ranks if any(row[head] for row in rows)]
    columns = [
        Column(head, 2 + max(len(head), *(len(row[head]) for row in rows)), ranks[head]) for head in heads
    ]
    names = [plain(result.subject) for result in results]
    widest, by = max(map(len, names)), max(len("runs in"), *(len(result.runs_in) for result in results))
    kept = fitted(columns, width(_WHOLE) - min(widest, _LEAST_SUBJECT) - 2 - by)
    subject = min(widest, width(_WHOLE) - kept.width - 2 - by)
    yield f"{'':<{subject}}  {'runs in':<{by}}{kept.head}".rstrip()
    for name, result, row in zip(names, results, rows, strict=True):
        yield f"{tail(name, subject):<{subject}}  {result.runs_in:<{by}}{kept.row(row)}".rstrip()
    for line in kept.said():
        yield from wrapped(f"{line} (--json has them)", indent=2)


def notes(results: Sequence[Ran]) -> Iterator[str]:
    """What a person should know of how subjects ran here, once for all of which it is so."""
    found: dict[str, list[str]] = {}
    for result in results:
        for note in result.notes:
            found.setdefault(note, []).append(plain(result.subject))
    for note, subjects in found.items():
        yield from wrapped(f"note, of {', '.join(subjects)}: {note}", indent=2)
