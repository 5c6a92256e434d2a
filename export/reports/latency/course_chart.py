"""What was measured one after the other, as inline SVG: places across are shares of the width, places down are
pixels. ``page.js`` adds a cursor that says each stretch in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..shared.axis import Axis
from ..shared.charts import Drawing, legend
from ..shared.markup import Markup, join, tag
from .samples import Stretch

__all__ = ["CourseChart", "course_figure"]

_HEIGHT, _LABELS = 248, 242
_TOP, _BOTTOM = 24, 204  # of the axis; what is off it is on a rail above or below
_BEYOND, _BELOW = 9, 217
_EDGE = 0.5  # percent left free on either side
_AXIS_WIDTH = 48


@dataclass(frozen=True)
class CourseChart:
    """Stretches side by side, one as wide as the other. ``names`` say each in words."""

    stretches: Sequence[Stretch]
    names: Sequence[str]
    axis: Axis

    def draw(
        self, label: str, under: Sequence[Markup], over: Sequence[Markup], marks: Sequence[tuple[str, str]]
    ) -> Drawing:
        """``under`` the marks of the stretches, and ``over`` them; ``marks`` are the legend's."""
        cursor = tag("line", x1="0%", x2="0%", y1=0, y2=_BELOW + 5, class_="cursor")
        plot = [*under, *self._grid(), *self._marks(), *over, cursor, *self._hits()]
        return Drawing(label, plot, _HEIGHT, [*self._labels()], _AXIS_WIDTH, marks, "plot")

    def level(self, value: float, kind: str, name: str) -> Iterator[Markup]:
        """A line all across, if it is on the axis."""
        if self.axis.low <= value <= self.axis.high:
            y = self._down(value)
            yield tag("line", tag("title", name), x1="0%", x2="100%", y1=y, y2=y, class_=kind)

    def belt(self, low: float, high: float, kind: str, name: str) -> Iterator[Markup]:
        """The ground between two values, as far as it is on the axis."""
        if low < self.axis.high and high > self.axis.low:
            top, bottom = self._down(high), self._down(low)
            height = f"{max(float(bottom) - float(top), 1):.1f}"
            yield tag("rect", tag("title", name), x="0%", width="100%", y=top, height=height, class_=kind)

    def ground(self, start: float, end: float) -> Markup:
        """Behind the stretches from the place ``start``, counted from 0, up to ``end``."""
        start, end = self._start(start), self._start(end)
        return tag(
            "rect", x=f"{start:.2f}%", width=f"{end - start:.2f}%", y=0, height=_BELOW + 5, class_="band"
        )

    def step(self, start: float, end: float, value: float, kind: str) -> Markup:
        """A level over the stretches from one place to another."""
        x1, x2, y = self._start(start), self._start(end), self._down(value)
        return tag("line", x1=f"{x1:.2f}%", x2=f"{x2:.2f}%", y1=y, y2=y, class_=kind)

    def below(self, text: str, start: float, end: float) -> Markup:
        """Words below the stretches from one place to another."""
        middle = (self._start(start) + self._start(end)) / 2
        return tag("text", text, x=f"{middle:.2f}%", y=_LABELS, text_anchor="middle")

    def ends(self, left: str, right: str) -> Iterator[Markup]:
        """Words below both ends."""
        yield tag("text", left, x="0%", y=_LABELS)
        yield tag("text", right, x="100%", y=_LABELS, text_anchor="end")

    @property
    def beyond(self) -> bool:
        """Whether a value is off the axis."""
        return any(item.high > self.axis.high or item.low < self.axis.low for item in self.stretches)

    def _grid(self) -> Iterator[Markup]:
        for value in self.axis.ticks:
            y = self._down(value)
            yield tag("line", x1="0%", x2="100%", y1=y, y2=y, class_="grid")

    def _labels(self) -> Iterator[Markup]:
        texts = [(self._down(value), self.axis.label(value)) for value in self.axis.ticks]
        if any(item.high > self.axis.high for item in self.stretches):
            texts.append((str(_BEYOND), "beyond"))
        if any(item.low < self.axis.low for item in self.stretches):
            texts.append((str(_BELOW), "below"))
        for y, text in texts:
            yield tag("text", text, x=_AXIS_WIDTH - 6, y=y, dy="0.35em", text_anchor="end")

    def _marks(self) -> Iterator[Markup]:
        width = (100 - 2 * _EDGE) / max(len(self.stretches), 1)
        for index, item in enumerate(self.stretches):
            start = self._start(index)
            middle = f"{start + width / 2:.3f}%"
            if item.first == item.last:
                y = self._down(item.median)
                kind = "own" if self.axis.low <= item.median <= self.axis.high else "total"
                yield tag("circle", cx=middle, cy=y, r=2.6, class_=kind)
                continue
            y1, y2 = self._down(item.high), self._down(item.low)
            yield tag("line", x1=middle, x2=middle, y1=y1, y2=y2, class_="reach")
            top, bottom = self._down(item.upper), self._down(item.lower)
            yield tag(
                "rect", x=f"{start + 0.1 * width:.3f}%", width=f"{0.8 * width:.3f}%", y=top,
                height=f"{max(float(bottom) - float(top), 1):.1f}", class_="half",
            )  # fmt: skip
            y = self._down(item.median)
            yield tag("line", x1=f"{start:.3f}%", x2=f"{start + width:.3f}%", y1=y, y2=y, class_="middle")
            if item.high > self.axis.high:
                yield tag("circle", cx=middle, cy=_BEYOND, r=2.4, class_="total")
            if item.low < self.axis.low:
                yield tag("circle", cx=middle, cy=_BELOW, r=2.4, class_="total")

    def _hits(self) -> Iterator[Markup]:
        width = (100 - 2 * _EDGE) / max(len(self.stretches), 1)
        for index, name in enumerate(self.names):
            yield tag(
                "rect", tag("title", name), x=f"{self._start(index):.3f}%", width=f"{width:.3f}%", y=0,
                height=_BELOW + 5, class_="hit",
            )  # fmt: skip

    def _start(self, index: float) -> float:
        return _EDGE + (100 - 2 * _EDGE) * index / max(len(self.stretches), 1)

    def _down(self, value: float) -> str:
        if value > self.axis.high:
            return str(_BEYOND)
        if value < self.axis.low:
            return str(_BELOW)
        return f"{_BOTTOM - (_BOTTOM - _TOP) * self.axis.share(value):.1f}"


def course_figure(drawing: Drawing) -> Markup:
    """On a page: with the words of the stretch that the cursor is on, and the legend."""
    hint = "Point at the chart, touch it, or use the arrow keys on it."
    readout = tag("p", hint, class_="readout", role="status")
    figure = tag("figure", drawing.svg(), readout, class_="scan brief panel")
    return join([figure, legend(*drawing.marks)])
