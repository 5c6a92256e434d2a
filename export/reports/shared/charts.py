"""What charts are made of: a logarithmic scale, a legend, and places across as shares of the width, so that a chart fits a
phone with letters of one size. A chart is described once, as a :class:`Drawing`; pages show it as inline SVG, and
:mod:`.plots` writes it as PNG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .markup import Markup, join, tag

__all__ = ["MARKS", "Drawing", "Scale", "legend", "percent"]

_DECADES = 14  # more than these below the largest are drawn as the lowest


def percent(share: float) -> str:
    """Of the width, as SVG takes it."""
    return f"{100 * share:.2f}%"


@dataclass(frozen=True)
class Scale:
    """From 10 ** ``low`` at 0 to 10 ** ``high`` at 1."""

    low: int
    high: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Scale:
        """Whole decades around all that are positive and finite."""
        logs = [math.log10(value) for value in values if 0 < value < math.inf]
        if not logs:
            return cls(-8, 0)
        high = math.ceil(max(logs) + 0.05)
        low = max(math.floor(min(logs) - 0.05), high - _DECADES)
        return cls(min(low, high - 2), high)

    def share(self, value: float) -> float:
        """0 to 1; what is outside is put at the end."""
        if not value < math.inf:  # what is no number is at the far end too
            return 1.0
        if value <= 0:
            return 0.0
        return min(max((math.log10(value) - self.low) / (self.high - self.low), 0.0), 1.0)


@dataclass(frozen=True)
class Drawing:
    """A chart: marks of SVG on the ``plot``, and ``beside`` it, ``left`` pixels wide, the numbers of the axis upwards. Places
    across the plot are shares of its width, places down are pixels of ``height``. ``label`` says what it shows, and ``marks``
    what its marks mean, as :func:`legend` takes them; ``kind`` is the class of the plot."""

    label: str
    plot: Sequence[Markup]
    height: int
    beside: Sequence[Markup] = ()
    left: int = 0
    marks: Sequence[tuple[str, str]] = ()
    kind: str = "spread"

    def svg(self) -> Markup:
        """As wide as there is room on a page; without the legend."""
        plot = tag(
            "svg",
            *self.plot,
            width="100%",
            height=self.height,
            role="img",
            class_=self.kind,
            aria_label=self.label,
        )
        if not self.left:
            return plot
        axis = tag(
            "svg", *self.beside, width=self.left, height=self.height, aria_hidden="true", class_="axis"
        )
        return tag("div", axis, plot, class_="chart")


# What a legend shows of each kind of mark, 14 pixels square.
MARKS = {
    "own": tag("circle", cx=7, cy=7, r=3.5, class_="own"),
    "error": tag("circle", cx=7, cy=7, r=4.5, class_="error"),
    "total": tag("circle", cx=7, cy=7, r=3.5, class_="total"),
    "floor": tag("circle", cx=7, cy=7, r=4, class_="floor"),
    "allowed": tag("line", x1=7, x2=7, y1=0, y2=14, class_="allowed"),
    "level": tag("line", x1=0, x2=14, y1=7, y2=7, class_="allowed"),
    "reach": tag("line", x1=7, x2=7, y1=0, y2=14, class_="reach"),
    "half": tag("rect", x=4, y=2, width=6, height=10, class_="half"),
    "middle": tag("line", x1=1, x2=13, y1=7, y2=7, class_="middle"),
    "dashed": tag("line", x1=0, x2=14, y1=7, y2=7, class_="allowed dashed"),
    "limit": tag("line", x1=7, x2=7, y1=0, y2=14, class_="limit"),
    "dead": tag("rect", x=0, y=1, width=14, height=12, class_="dead"),
    "wrong": tag("path", d="M7 1 13 7 7 13 1 7z", class_="wrong"),
}


def legend(*entries: tuple[str, str]) -> Markup:
    """What the marks mean: (kind, words)."""
    items = [
        tag("li", tag("svg", MARKS[kind], width=14, height=14, aria_hidden="true"), text)
        for kind, text in entries
    ]
    return tag("ul", join(items), class_="legend")
