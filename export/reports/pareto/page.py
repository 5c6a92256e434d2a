"""Artifacts side by side as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..shared.charts import legend
from ..shared.file import write_report
from ..shared.markup import Markup, tag
from ..shared.page import page
from ..shared.parts import cell, chip, fact_list, folded, table
from .chart import pairs, scatter
from .text import headline, law, shown, title, verdict, widest

if TYPE_CHECKING:
    from ...pareto.front import Front

__all__ = ["pareto_page", "write_pareto_page"]


def write_pareto_page(front: Front, path: Path) -> None:
    """Write the page, or nothing; :class:`InputError` if the place cannot be written."""
    write_report(path, pareto_page(front))


def pareto_page(front: Front) -> str:
    """The table, a chart for each two figures, and how each figure was measured."""
    said = headline(front)
    header = [
        tag("p", "cloformer pareto", class_="eyebrow"),
        tag("h1", said[0].upper() + said[1:]),
        tag("p", f"{_sentence(law(front))}", class_="lede"),
        *(tag("p", _sentence(line), class_="aside") for line in widest(front)),
        tag("div", _table(front), class_="panel"),
    ]
    section = tag("section", *_charts(front), tag("section", *_conditions(front)), class_="report")
    return page(said, header, [section], "The figures are those of the reports that were given; see below.")


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _table(front: Front) -> Markup:
    heads = ["Artifact", *(f"*{title(figure)}" for figure in front.figures), "Verdict"]
    return table(heads, [_row(front, place) for place in range(len(front.candidates))])


def _row(front: Front, place: int) -> Markup:
    item, said = front.candidates[place], verdict(front, place)
    return tag(
        "tr",
        tag(
            "th",
            tag("b", f"{place + 1}"),
            item.artifact,
            tag("small", f"{item.format} {item.precision}"),
            scope="row",
        ),
        *(cell(title(figure), shown(figure, item.readings[figure.name]), "num") for figure in front.figures),
        cell("Verdict", chip(None, said) if said else chip(True, "not dominated")),
    )


def _charts(front: Front) -> Iterator[Markup]:
    for across, up in pairs(front):
        drawing = scatter(front, across, up)
        yield tag(
            "section",
            tag("h3", drawing.label),
            tag("p", "The number is that of the table; dominated ones are hollow.", class_="aside"),
            tag("figure", drawing.svg(), class_="panel shape"),
            legend(*drawing.marks),
        )


def _conditions(front: Front) -> Iterator[Markup]:
    """How each figure was measured, folded."""
    for figure in front.figures:
        facts = dict.fromkeys(
            (name, str(value))
            for item in front.candidates
            for name, value in item.readings[figure.name].conditions.items()
        )
        sources = dict.fromkeys(item.readings[figure.name].source for item in front.candidates)
        listed = [("read from", ", ".join(filter(None, sources)) or "the manifests"), *facts]
        yield folded(title(figure), fact_list(listed))
