"""What several sections of a page are made of."""

from __future__ import annotations

from collections.abc import Sequence

from .markup import Markup, join, tag

__all__ = ["cell", "chip", "folded", "table"]


def chip(holds: bool, text: str | None = None) -> Markup:
    return tag("span", text or ("pass" if holds else "fail"), class_="chip" if holds else "chip bad")


def table(names: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """A name that begins with * heads a column of numbers."""
    heads = [
        tag("th", name.lstrip("*"), scope="col", class_="num" if name[0] == "*" else None) for name in names
    ]
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))


def cell(label: str, text: str, kind: str | None = None) -> Markup:
    return tag("td", text, data_label=label, class_=kind)


def folded(summary: str, *children: Markup) -> Markup:
    return tag("details", tag("summary", summary), join(children))
