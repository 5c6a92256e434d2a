"""Modules, types of operators and operators of a profile as lines for a terminal, with the figures that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cloformer.io.output import width

from ...latency.placed import UNMAPPED, WHOLE_MODEL, PlacedOperator
from ..shared.table import Column, Fitted, fitted
from ..shared.words import count, tail, wrapped

__all__ = ["Listing", "millions", "where"]

_NONE = "-"
_LEAST_NAME = 32


class _Group(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def operators(self) -> int: ...


_AnyGroup = TypeVar("_AnyGroup", bound=_Group)


@dataclass(frozen=True)
class Listing(Generic[_AnyGroup]):
    """``figures`` says what stands in each of the columns."""

    columns: Sequence[Column]
    figures: Callable[[_AnyGroup], Mapping[str, str]]

    @property
    def left_out(self) -> tuple[str, ...]:
        """What to say of the columns that do not fit."""
        return tuple(self._fitted().said())

    def groups(self, heading: str, groups: Sequence[_AnyGroup]) -> Iterator[str]:
        """A line for each."""
        yield self._heading(heading)
        for group in groups:
            number = f" x{group.operators}"
            yield self._line(f"  {tail(group.name, self._first() - 3 - len(number)) + number}", group)

    def operators(
        self,
        heading: str,
        pairs: Sequence[tuple[PlacedOperator, _AnyGroup]],
        top: int,
        together: Callable[[Sequence[_AnyGroup]], str],
    ) -> Iterator[str]:
        """The first ``top``, each with its module and line; the rest is counted, and ``together`` sums it up."""
        yield self._heading(heading)
        for row, group in pairs[:top]:
            yield self._line(f"  {tail(f'{row.operator} {row.name}', self._first() - 3)}", group)
            yield f"      {tail(' '.join(filter(None, [where(row), row.location])), width() - 6)}"
        if rest := [group for _, group in pairs[top:]]:
            more = f"  and {count(rest, 'operator')} more, {together(rest)} together (--top, --json and --html show them)"
            yield from wrapped(more, indent=4)

    def total(self, group: _AnyGroup) -> str:
        """The sum of all operators."""
        return self._line(f"total, {count(group.operators, 'operator')}", group)

    def _heading(self, text: str) -> str:
        return f"{text:<{self._first()}}{self._fitted().head}"

    def _line(self, text: str, group: _AnyGroup) -> str:
        return f"{text:<{self._first()}}{self._fitted().row(self.figures(group))}"

    def _fitted(self) -> Fitted:
        return fitted(self.columns, width() - _LEAST_NAME)

    def _first(self) -> int:
        return width() - self._fitted().width


def where(row: PlacedOperator) -> str:
    """The module that an operator comes from."""
    return UNMAPPED if row.module is None else row.module or WHOLE_MODEL


def millions(multiply_adds: int) -> str:
    """Multiply-adds in millions; nothing for none."""
    return f"{multiply_adds / 1e6:,.2f}" if multiply_adds else _NONE
