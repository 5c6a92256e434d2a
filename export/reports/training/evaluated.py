"""What `cloformer evaluate` found, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from cloformer.io.output import width

from ..shared.table import Column, fitted
from ..shared.words import plain, tail

__all__ = ["table"]

_RANKS = 0, 0, 3, 0, 2, 1, 1  # of the columns below
_LEAST_SUBJECT = 20  # columns of a name that is too long
_WHOLE = 100_000  # columns where there is no terminal: nothing is shortened in a log


class Evaluated(Protocol):
    """What was evaluated, with its scores."""

    def to_json(self) -> Mapping[str, object]: ...


def table(results: Sequence[Evaluated]) -> Iterator[str]:
    """A line per subject: the shares with their 95 % confidence intervals, and the agreement with the reference."""
    head = ("", "runs in", "images", "top-1", "95 %", "top-5", "agrees")
    rows = []
    for result in results:
        entry = result.to_json()
        interval, agreement = entry["top1_interval"], entry["agreement"]
        low, high = interval if isinstance(interval, list) else (math.nan, math.nan)
        rows.append(
            (
                plain(str(entry["subject"])),
                str(entry["runs_in"]),
                f"{entry['images']:,}",
                f"{entry['top1']:.2%}",
                f"{low:.2%} to {high:.2%}",
                f"{entry['top5']:.2%}",
                "" if agreement is None else f"{agreement:.2%}",
            )
        )
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    columns = [Column(name, 2 + most, rank) for name, most, rank in zip(head, widths, _RANKS, strict=True)]
    kept = fitted(columns[2:], width(_WHOLE) - min(widths[0], _LEAST_SUBJECT) - 2 - widths[1])
    subject = min(widths[0], width(_WHOLE) - kept.width - 2 - widths[1])
    for row in (head, *rows):
        figures = kept.row(dict(zip(head, row, strict=True)))
        yield f"{tail(row[0], subject):<{subject}}  {row[1]:<{widths[1]}}{figures}".rstrip()
    yield from (f"{line} (--json has them)" for line in kept.said())
