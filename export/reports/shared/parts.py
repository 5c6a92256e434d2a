"""What several sections of a page are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .markup import Markup, join, tag

__all__ = ["badge", "cell", "chip", "doubts", "environment", "fact_list", "folded", "table", "verdict_chip"]


def badge(holds: bool) -> Markup:
    """A tick or a cross: the verdict does not hang on its colour."""
    path = "M5 12.5l4.5 4.5L19 7.5" if holds else "M6.5 6.5l11 11M17.5 6.5l-11 11"
    drawn = tag("svg", tag("path", d=path), viewBox="0 0 24 24", aria_hidden="true")
    return tag("span", drawn, class_="badge" if holds else "badge bad")


def chip(holds: bool | None, text: str | None = None) -> Markup:
    """A word on a ground of its colour; None is neither good nor bad."""
    kind = {True: "chip", False: "chip bad", None: "chip open"}[holds]
    return tag("span", text or ("pass" if holds else "fail"), class_=kind)


def verdict_chip(word: str) -> Markup:
    """Whether the samples agree with one another: stable, or what they are instead."""
    return chip(None if word == "counted" else word == "stable", word)


def doubts(word: str, reasons: Sequence[str]) -> Iterator[Markup]:
    """Why the numbers are not to be relied on, to stand before the numbers; nothing without reasons."""
    if reasons:
        lines = tag("ul", *(tag("li", reason) for reason in reasons), class_="reasons")
        yield tag("section", tag("h3", word.capitalize()), lines, class_="divergence")


def table(names: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """A name that begins with * heads a column of numbers."""
    heads = [
        tag("th", name.lstrip("*"), scope="col", class_="num" if name[0] == "*" else None) for name in names
    ]
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))


def cell(label: str, text: str, kind: str | None = None) -> Markup:
    return tag("td", text, data_label=label, class_=kind)


def fact_list(facts: Iterable[tuple[str, str]]) -> Markup:
    """Names and what they are."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in facts), class_="facts")


def folded(summary: str, *children: Markup) -> Markup:
    return tag("details", tag("summary", summary), join(children))


def environment(machine: Mapping[str, object], versions: Mapping[str, str]) -> Markup:
    """What is known of the machine, and the versions of what took part, folded."""
    facts = [(name, str(value)) for name, value in machine.items() if name != "versions"]
    return folded("Environment", fact_list([*facts, *versions.items()]))
