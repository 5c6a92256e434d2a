"""Modules, types of operators and operators of a profile as tables of a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ...latency.placed import OPERATORS_RUN, PlacedOperator
from ..shared.markup import Markup, tag
from ..shared.parts import cell, folded, table
from ..shared.words import count
from .chart import share_bar
from .listing import where

__all__ = ["Tables"]

_GROUPS_SHOWN = 12  # the others are folded


class _Group(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def operators(self) -> int: ...

    @property
    def share(self) -> float: ...


_AnyGroup = TypeVar("_AnyGroup", bound=_Group)


@dataclass(frozen=True)
class Tables(Generic[_AnyGroup]):
    """``names`` are the columns' heads, ``figures`` what stands in each; ``whole`` is what a share is of, as "the time", and
    ``amount`` says how much of it a group takes. Operators have an id that begins with ``prefix`` and ends with their place
    among all; one is hidden by the box ``only`` if ``is_good`` says so."""

    names: Sequence[str]
    figures: Callable[[_AnyGroup], Sequence[str]]
    whole: str
    amount: Callable[[_AnyGroup], str]
    prefix: str
    only: str
    is_good: Callable[[_AnyGroup], bool]

    def groups(self, heading: str, said: str, first: str, groups: Sequence[_AnyGroup]) -> Markup:
        """A row for each, with a bar; those that take least are folded."""
        names = (first, f"Share of {self.whole}", *(f"*{name}" for name in self.names))
        most = max((group.share for group in groups), default=0.0)
        rows = [
            tag(
                "tr",
                tag(
                    "th",
                    tag("span", group.name),
                    tag("small", count(group.operators, "operator")),
                    scope="row",
                ),
                tag("td", self._bar(group, most), class_="strip-cell", data_label="Share"),
                *self._figures(group),
            )
            for group in groups
        ]
        parts = [tag("div", table(names, rows[:_GROUPS_SHOWN]), class_="panel")]
        if rest := rows[_GROUPS_SHOWN:]:
            parts.append(folded(f"{len(rest)} more", tag("div", table(names, rest), class_="panel")))
        return tag("section", tag("h3", heading), tag("p", said, class_="aside"), *parts)

    def operators(
        self, said: str, rows: Sequence[PlacedOperator], pairs: Sequence[tuple[PlacedOperator, _AnyGroup]]
    ) -> Markup:
        """Each of ``rows`` in the order of ``pairs``, to be filtered."""
        places = {row.name: place for place, row in enumerate(rows)}
        names = ("*#", "Operator", "Module and line", *(f"*{name}" for name in self.names))
        lines = [
            self._operator(place, row, group, places[row.name]) for place, (row, group) in enumerate(pairs, 1)
        ]
        # What `page.js` looks for: a row that is "right" is hidden by the box.
        filters = tag(
            "div",
            tag("label", "Filter ", tag("input", type="search", placeholder="module, operator or line", class_="filter")),
            tag("label", tag("input", type="checkbox", class_="only"), f" {self.only}"),
            tag("span", class_="found", role="status"),
            class_="controls",
        )  # fmt: skip
        panel = tag("div", table(names, lines), class_="panel operators")
        return tag(
            "section",
            tag("h3", "Operators"),
            tag("p", f"{said}, {OPERATORS_RUN}.", class_="aside"),
            folded(f"All {count(pairs, 'operator')}", filters, panel),
        )

    def _operator(self, place: int, row: PlacedOperator, group: _AnyGroup, index: int) -> Markup:
        fused = " + ".join(row.stands_for) or "moves a value"
        lines = [tag("span", where(row)), tag("small", tag("code", row.location or ""))]
        return tag(
            "tr",
            cell("Place", f"{place}", "num"),
            tag("th", tag("code", row.operator), tag("small", row.name), tag("small", fused), scope="row"),
            tag("td", *lines, data_label="Module"),
            *self._figures(group),
            id=f"{self.prefix}{index}",
            class_="right" if self.is_good(group) else None,
        )

    def _figures(self, group: _AnyGroup) -> list[Markup]:
        return [cell(name, text, "num") for name, text in zip(self.names, self.figures(group), strict=True)]

    def _bar(self, group: _AnyGroup, most: float) -> Markup:
        """The share of all, of the largest share that is shown."""
        said = f"{group.share:.1%} of {self.whole}, {self.amount(group)}"
        return share_bar(group.share / most if most else 0.0, said).svg()
