"""Artifacts as points: what they cost across, how good they are upwards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from ..shared.axis import Axis
from ..shared.charts import Drawing, percent
from ..shared.markup import Markup, tag
from ..shared.words import plain
from .text import shown, title

if TYPE_CHECKING:
    from ...pareto.figures import Figure
    from ...pareto.front import Front

__all__ = ["pairs", "scatter"]

_HEIGHT, _TOP, _BOTTOM = 300, 22, 250
_AXIS = 54  # pixels, beside the plot
_LEFT, _RIGHT = 1.5, 97.0  # percent of the plot's width
_ROOM = 0.08  # of the range, free on either side


def pairs(front: Front) -> list[tuple[Figure, Figure]]:
    """What is drawn against what: each figure that is better small across the last one of the others, or of themselves."""
    costs = [figure for figure in front.figures if figure.smaller_is_better]
    goods = [figure for figure in front.figures if not figure.smaller_is_better]
    if goods and costs:
        return [(cost, good) for good in goods for cost in costs]
    alike = costs or goods
    return list(pairwise(alike))


def scatter(front: Front, across: Figure, up: Figure) -> Drawing:
    """A point for each artifact, with its number in the table."""
    x, y = (Axis.of(*_around(front, figure)) for figure in (across, up))
    plot = [*_grid(x, y, across, up), *_points(front, across, up, x, y)]
    labels = [
        tag("text", _tick(up, y, value), x=_AXIS - 6, y=_down(y, value), dy="0.35em", text_anchor="end")
        for value in y.ticks
    ]
    marks = ("own", "not dominated"), ("floor", "dominated")
    return Drawing(f"{title(up)} by {title(across)}", plot, _HEIGHT, labels, _AXIS, marks)


def _around(front: Front, figure: Figure) -> tuple[float, float]:
    """The range that is drawn: of all values that are finite, with room on either side; no share is above 1."""
    values = [item.value(figure) for item in front.candidates]
    there = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(there), max(there)
    room = _ROOM * (high - low) or max(abs(high), 1.0) * _ROOM
    return low - room, min(high + room, 1.0) if figure.unit == "share" else high + room


def _points(front: Front, across: Figure, up: Figure, x: Axis, y: Axis) -> Iterator[Markup]:
    best = set(front.undominated)
    # Those that are not dominated last, so that none hides them.
    for place in sorted(range(len(front.candidates)), key=lambda place: place in best):
        item = front.candidates[place]
        readings = item.readings[across.name], item.readings[up.name]
        name = f"{place + 1}: {plain(item.artifact)}, {shown(across, readings[0])} {across.unit}, {shown(up, readings[1])}"
        left, top = _across(x, readings[0].value), _down(y, readings[1].value)
        kind = "own" if place in best else "floor"
        yield tag("circle", tag("title", name), cx=left, cy=top, r=5, class_=kind)
        yield tag("text", f"{place + 1}", x=left, y=top, dx=8, dy="-0.4em", class_="said")


def _grid(x: Axis, y: Axis, across: Figure, up: Figure) -> Iterator[Markup]:
    for value in y.ticks:
        yield tag(
            "line", x1=f"{_LEFT}%", x2=f"{_RIGHT}%", y1=_down(y, value), y2=_down(y, value), class_="grid"
        )
    for value in x.ticks:
        place = _across(x, value)
        yield tag("line", x1=place, x2=place, y1=_TOP, y2=_BOTTOM, class_="grid")
        yield tag("text", _tick(across, x, value), x=place, y=_BOTTOM + 16, text_anchor="middle")
    yield tag("text", title(up), x=f"{_LEFT}%", y=_TOP - 8)
    yield tag("text", title(across), x=f"{_RIGHT}%", y=_BOTTOM + 36, text_anchor="end")


def _tick(figure: Figure, axis: Axis, value: float) -> str:
    if figure.unit != "share":
        return axis.label(value)
    return f"{Axis(100 * axis.low, 100 * axis.high, 100 * axis.step).label(100 * value)}%"


def _across(axis: Axis, value: float) -> str:
    return percent((_LEFT + (_RIGHT - _LEFT) * axis.share(value)) / 100)


def _down(axis: Axis, value: float) -> str:
    return f"{_BOTTOM - (_BOTTOM - _TOP) * axis.share(value):.1f}"
