"""Tables of a terminal: what does not fit its width is left out, the least important first, and it is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Column", "Fitted", "fitted"]


@dataclass(frozen=True)
class Column:
    """``rank`` 0 always stays; of the others the highest goes first. ``align`` is that of a format."""

    head: str
    width: int
    rank: int
    align: str = ">"

    def cell(self, text: str) -> str:
        return f"{text:{self.align}{self.width}}"


@dataclass(frozen=True)
class Fitted:
    """The columns that fit, and the heads of those that do not."""

    columns: tuple[Column, ...]
    left_out: tuple[str, ...]

    @property
    def width(self) -> int:
        return sum(column.width for column in self.columns)

    @property
    def head(self) -> str:
        return "".join(column.cell(column.head) for column in self.columns)

    def row(self, cells: Mapping[str, str]) -> str:
        """The cells by their heads; those that are left out may be there."""
        return "".join(column.cell(cells.get(column.head, "")) for column in self.columns)

    def said(self) -> Iterator[str]:
        """What is left out, in a line; nothing if nothing is."""
        if self.left_out:
            yield f"not shown for want of width: {', '.join(self.left_out)}"


def fitted(columns: Sequence[Column], room: int) -> Fitted:
    """As many of ``columns`` as fit into ``room`` characters, in their order."""
    kept = list(columns)
    for column in sorted(columns, key=lambda column: -column.rank):
        if sum(each.width for each in kept) <= room or not column.rank:
            break
        kept.remove(column)
    return Fitted(tuple(kept), tuple(column.head for column in columns if column not in kept))
