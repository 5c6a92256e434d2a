"""The charts of ``cloformer pareto`` as files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..shared.plots import BLUE, GREY, Plot, figure_of
from ..shared.words import plain, tail
from .chart import around, pairs
from .text import headline, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from ...pareto.figures import Figure
    from ...pareto.front import Front

__all__ = ["pareto_plots"]

_LONGEST = 60  # letters of a name
_MOST = 20  # names that are listed


def pareto_plots(front: Front) -> list[Plot]:
    """One, with an axes for each two figures; none of one figure alone."""
    return [Plot("pareto", partial(_draw, front))] if pairs(front) else []


def _draw(front: Front) -> Drawing:
    drawn = pairs(front)
    figure, places = figure_of(len(drawn), 3.4, headline(front))
    for place, (across, up) in zip(places, drawn, strict=True):
        _scatter(place, front, across, up)
    names = [
        f"{number}  {tail(plain(item.artifact), _LONGEST)}" for number, item in enumerate(front.candidates, 1)
    ]
    more = [f"and {len(names) - _MOST} more"] if len(names) > _MOST else []
    places[-1].text(
        0, -0.2, "\n".join([*names[:_MOST], *more]), va="top", fontsize=8, transform=places[-1].transAxes
    )
    return figure


def _scatter(place: Axes, front: Front, across: Figure, up: Figure) -> None:
    """What is not dominated is filled; a value without an end stands at the edge."""
    best = set(front.undominated)
    (left, right), (bottom, top) = (_ends(front, figure) for figure in (across, up))
    for number, item in enumerate(front.candidates):
        x = min(max(_scale(across) * item.value(across), left), right)
        y = min(max(_scale(up) * item.value(up), bottom), top)
        is_best = number in best
        place.plot(
            [x],
            [y],
            "o",
            color=BLUE if is_best else GREY,
            fillstyle="full" if is_best else "none",
            clip_on=False,
        )
        place.annotate(f"{number + 1}", (x, y), xytext=(6, 4), textcoords="offset points", fontsize=8)
    place.set_xlim(left, right)
    place.set_ylim(bottom, top)
    place.set_xlabel(title(across) + (", %" if across.unit == "share" else ""))
    place.set_ylabel(title(up) + (", %" if up.unit == "share" else ""))


def _scale(figure: Figure) -> float:
    """Shares are drawn in percent."""
    return 100.0 if figure.unit == "share" else 1.0


def _ends(front: Front, figure: Figure) -> tuple[float, float]:
    low, high = around(front, figure)
    return _scale(figure) * low, _scale(figure) * high
