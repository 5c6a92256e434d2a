"""The charts of ``cloformer pareto`` as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..shared.plots import Part, Plot
from .chart import pairs, scatter
from .text import headline

if TYPE_CHECKING:
    from ...pareto.front import Front

__all__ = ["pareto_plots"]

_MOST = 20  # names that are listed


def pareto_plots(front: Front) -> list[Plot]:
    """One, with a chart for each two figures and the names of the numbers; none of one figure alone."""
    drawings = [scatter(front, across, up) for across, up in pairs(front)]
    names = [Part(f"{number}: {item.artifact}") for number, item in enumerate(front.candidates[:_MOST], 1)]
    if len(front.candidates) > _MOST:
        names.append(Part(f"and {len(front.candidates) - _MOST} more"))
    parts = [Part(drawing.label, drawing) for drawing in drawings]
    return [Plot("pareto", headline(front), [*parts, *names])] if drawings else []
