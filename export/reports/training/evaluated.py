"""What `cloformer evaluate` found, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ..shared.words import plain

__all__ = ["table"]


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
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths))
        ]
        yield "  ".join(cells).rstrip()
