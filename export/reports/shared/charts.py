"""What the charts of several pages are made of: a logarithmic scale, a legend, and places across as shares of the width,
so that a chart fits a phone with letters of one size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .markup import Markup, join, tag

__all__ = ["Scale", "legend", "percent"]

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


def legend(*entries: tuple[str, str]) -> Markup:
    """What the marks mean: (kind, words)."""
    drawn = {
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
        "dead": tag("rect", x=0, y=1, width=14, height=12, class_="dead"),
        "wrong": tag("path", d="M7 1 13 7 7 13 1 7z", class_="wrong"),
    }
    items = [
        tag("li", tag("svg", drawn[kind], width=14, height=14, aria_hidden="true"), text)
        for kind, text in entries
    ]
    return tag("ul", join(items), class_="legend")
